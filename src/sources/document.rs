//! Documents that sources give and workers share: pods, or profiles.

use super::callout::FetchError;
use crate::json::JsonError;

/// Kind of document, read.
pub trait Document: Sized {
    /// Its name in shared data, metrics and logs.
    const NAME: &'static str;

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// The first thing for which it cannot be taken as a whole.
    fn read(bytes: &[u8]) -> Result<Self, JsonError>;

    /// Returns the document to put into force: what was fetched is good as a whole.
    ///
    /// # Errors
    ///
    /// The reason why it is not to be used at all.
    fn complete(fetched: Fetched<Self>, _last_good: impl FnOnce() -> Vec<u8>) -> Result<Fetched<Self>, FetchError> {
        Ok(fetched)
    }
}

/// Result of a fetch.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched<D> {
    /// The document, as it is shared with those that did not fetch it.
    pub bytes: Vec<u8>,
    /// Content of these bytes.
    pub document: D,
    /// Parts that were left out of it, with reasons.
    pub complaints: Vec<String>,
}

// === impl Fetched ===

impl<D: Document> Fetched<D> {
    /// Reads a document as its server sent it.
    ///
    /// # Errors
    ///
    /// As [`Document::read`].
    pub fn read(bytes: &[u8]) -> Result<Self, JsonError> {
        Ok(Self { document: D::read(bytes)?, bytes: bytes.to_vec(), complaints: Vec::new() })
    }
}
