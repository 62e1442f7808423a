//! Responses that servers store, so that a request can go on from one.

use serde::{Deserialize, Serialize};

use super::running::mix;
use super::text_hash::TextHash;

/// Tells the key of responses from that of prompts: no id has the hash of a prompt but by chance.
const DOMAIN: u64 = 0x7265_7370_6F6E_7365;

/// A response that a server stores: the keyed hash of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredResponse(u64);

// === impl StoredResponse ===

impl StoredResponse {
    /// The response with this id. `key` is that of [`PromptHasher`](super::PromptHasher).
    pub fn of(key: u64, id: &str) -> Self {
        Self(TextHash::of(id.as_bytes(), mix(key, DOMAIN)))
    }

    /// The hash.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}
