//! Pods that do what a test says, when it says so.
//!
//! A [`Pod`] listens on loopback. It records each request that arrives and follows its [`Plan`]: answers at once, holds
//! the request until the test answers it, or closes the connection. It counts what runs on it at a time.

mod answer;
mod body;
mod pod;
mod record;

use std::fmt;
use std::sync::Arc;

pub use self::answer::{Answer, Pace};
pub use self::pod::Pod;
pub use self::record::Arrival;

/// Plan of a pod for a request that arrives.
#[derive(Clone)]
pub enum Plan {
    /// Answers it.
    Answer(Answer),
    /// Answers it as this says: what makes it a server of something else.
    Serve(Arc<dyn Fn(&Arrival) -> Answer + Send + Sync>),
    /// Holds it until the test answers it: never, where the test does not.
    Hold,
    /// Closes the connection without a word.
    Close,
}

// === impl Plan ===

impl Plan {
    /// Answers each request as `serve` says.
    pub fn serve(serve: impl Fn(&Arrival) -> Answer + Send + Sync + 'static) -> Self {
        Self::Serve(Arc::new(serve))
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(answer) => f.debug_tuple("Answer").field(answer).finish(),
            Self::Serve(_) => f.write_str("Serve"),
            Self::Hold => f.write_str("Hold"),
            Self::Close => f.write_str("Close"),
        }
    }
}
