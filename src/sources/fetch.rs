//! A fetch from a source: requests one after another, until a document can be made of the answers.

use super::callout::{FetchError, FetchRequest};
use super::document::Fetched;

/// A fetch that is under way.
pub trait Fetch<D> {
    /// Returns the request to send next.
    fn request(&self) -> FetchRequest;

    /// Reads the answer to that, which has status 200.
    ///
    /// # Errors
    ///
    /// The reason why it is not what was asked for. That ends the fetch.
    fn read(&mut self, body: &[u8]) -> Result<FetchProgress<D>, FetchError>;
}

/// Result of reading an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum FetchProgress<D> {
    /// There is more to ask.
    Next,
    /// That was the last one.
    Done(Fetched<D>),
}
