//! Store as gateways need it: slots that all of them can read, and that expire.

use std::time::Duration;

use crate::sources::callout::{Callout, FetchError, FetchRequest};

/// A store, as requests and their answers.
pub trait SlotStore {
    /// Asks for the values of all slots.
    fn read(&self) -> StoreRequest;

    /// The answer to that: the value of each slot, in order.
    ///
    /// # Errors
    ///
    /// The reason why it is none.
    fn values(&self, body: &[u8]) -> Result<Vec<Option<String>>, FetchError>;

    /// Asks to set a slot's value until `expire` has passed; only if it has none, where that is
    /// said.
    fn write(&self, slot: usize, value: &str, expire: Duration, if_free: bool) -> StoreRequest;

    /// The answer to that: whether it was set.
    ///
    /// # Errors
    ///
    /// The reason why it says neither.
    fn written(&self, body: &[u8]) -> Result<bool, FetchError>;
}

/// A request to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreRequest {
    /// Path, media type and entity tag of the request.
    pub request: FetchRequest,
    /// Body to post; empty for a GET.
    pub body: Vec<u8>,
}

// === impl StoreRequest ===

impl StoreRequest {
    /// The headers of the callout, pseudo headers first.
    pub fn headers<'a>(&'a self, callout: &'a Callout) -> Vec<(&'static str, &'a str)> {
        let mut headers = self.request.headers(callout);
        if !self.body.is_empty() {
            for header in headers.iter_mut().filter(|(name, _)| *name == ":method") {
                header.1 = "POST";
            }
        }
        headers
    }
}
