//! Content of fetched documents, by type: pods, or profiles.

use std::borrow::Cow;

use crate::scheduling::pool::{PodSpec, ProfileEntry};
use crate::sources::callout::FetchError;
use crate::sources::{pods, profiles};

/// Content that a source's documents have.
pub(super) trait Content: Sized {
    /// Its name in the log, in metrics and in shared data.
    const NAME: &'static str;

    /// Judges a document that was fetched. `in_force` returns the one that holds so far.
    ///
    /// # Errors
    /// The reason why nothing of it can be put into force.
    fn judge<'a>(document: &'a [u8], in_force: impl FnOnce() -> Vec<u8>) -> Result<Judged<'a, Self>, FetchError>;

    /// Reads a document that was put into force; `None` where it is not one.
    fn read(document: &[u8]) -> Option<Self>;
}

/// A document to put into force.
pub(super) struct Judged<'a, C> {
    /// The document, with the last good version of what is bad of it.
    pub document: Cow<'a, [u8]>,
    /// The same, read; `None` where it is to be read anew.
    pub content: Option<C>,
    /// Complaint of what is bad of it.
    pub complaint: Option<String>,
}

impl Content for Vec<PodSpec> {
    const NAME: &'static str = "pods";

    fn judge<'a>(document: &'a [u8], _: impl FnOnce() -> Vec<u8>) -> Result<Judged<'a, Self>, FetchError> {
        let pods = pods::parse(document)?;
        Ok(Judged { document: Cow::Borrowed(document), content: Some(pods), complaint: None })
    }

    fn read(document: &[u8]) -> Option<Self> {
        pods::parse(document).ok()
    }
}

impl Content for Vec<ProfileEntry> {
    const NAME: &'static str = "profiles";

    fn judge<'a>(document: &'a [u8], in_force: impl FnOnce() -> Vec<u8>) -> Result<Judged<'a, Self>, FetchError> {
        let read = profiles::parse(document)?;
        match read.complaint() {
            None => Ok(Judged { document: Cow::Borrowed(document), content: Some(read.profiles), complaint: None }),
            Some(complaint) if read.profiles.is_empty() => Err(FetchError::Invalid(complaint)),
            complaint => {
                let document = Cow::Owned(profiles::complete(document, &in_force())?);
                Ok(Judged { document, content: None, complaint })
            }
        }
    }

    fn read(document: &[u8]) -> Option<Self> {
        profiles::parse(document).ok().map(|read| read.profiles)
    }
}
