//! A fetch from a source: requests one after another, until a document can be made of the answers.

use super::callout::{FetchError, FetchRequest};

/// A fetch that is under way.
pub trait Fetch {
    /// Returns the request to send next.
    fn request(&self) -> FetchRequest;

    /// Reads the answer to that, which has status 200.
    ///
    /// # Errors
    ///
    /// The reason why it is not what was asked for. That ends the fetch.
    fn read(&mut self, body: &[u8]) -> Result<FetchProgress, FetchError>;
}

/// Result of reading an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchProgress {
    /// There is more to ask.
    Next,
    /// That was the last one.
    Done(Fetched),
}

/// Result of a fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// A pod or profile document, as [`pods`](super::pods) or [`profiles`](super::profiles) read
    /// it.
    pub document: Vec<u8>,
    /// Parts that were left out of it, with reasons.
    pub complaints: Vec<String>,
}
