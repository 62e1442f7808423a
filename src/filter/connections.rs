//! The connections to pods that have answered something, by their local addresses: Envoy does not say whether a request was
//! sent into a connection that was used before.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use fnv::{FnvHashSet, FnvHasher};

use super::host;

/// So many are known at most; the oldest are forgotten.
const MOST: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub struct Connections {
    known: FnvHashSet<u64>,
    order: VecDeque<u64>,
}

// === impl Connections ===

impl Connections {
    /// A response's headers came. Says whether they are a pod's, and not Envoy's own.
    pub(super) fn note(&mut self) -> bool {
        if host::property("response\0code_details").is_some_and(|details| details != b"via_upstream") {
            return false;
        }
        if let Some(connection) = current()
            && self.known.insert(connection)
        {
            self.order.push_back(connection);
            if self.order.len() > MOST
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
        true
    }

    /// Whether the connection of the stream in whose context a callback runs has answered before.
    pub(super) fn is_reused(&self) -> bool {
        current().is_some_and(|connection| self.known.contains(&connection))
    }
}

fn current() -> Option<u64> {
    let mut hasher = FnvHasher::default();
    (host::property("upstream\0local_address")?, host::property("upstream\0address")).hash(&mut hasher);
    Some(hasher.finish())
}
