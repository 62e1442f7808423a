//! Pods that do what a test says, when it says so.
//!
//! A [`Pod`] listens on loopback. It records each request that arrives and follows its [`Plan`]: answers at once, holds
//! the request until the test answers it, or closes the connection. It counts what runs on it at a time.

mod answer;
mod body;
mod pod;
mod record;

pub use self::answer::{Answer, Pace};
pub use self::pod::Pod;
pub use self::record::Arrival;

/// What a pod does with a request that arrives.
#[derive(Debug, Clone)]
pub enum Plan {
    /// Answers it.
    Answer(Answer),
    /// Holds it until the test answers it: never, where the test does not.
    Hold,
    /// Closes the connection without a word.
    Close,
}
