//! Envoy's shared data and queues as the [`Store`] of the VMs.

use super::host;
use crate::shared::store::{Contended, NEVER, Store, Stored};

/// "Look again."
const MESSAGE: &[u8] = b"!";

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostStore;

impl Store for HostStore {
    fn get(&self, key: &str) -> Stored {
        match host::shared_data(key) {
            Some((bytes, version)) => Stored { bytes, version },
            None => Stored { bytes: Vec::new(), version: NEVER },
        }
    }

    fn set(&self, key: &str, bytes: &[u8], version: u32) -> Result<(), Contended> {
        host::set_shared_data(key, bytes, version).map_err(|_| Contended)
    }

    fn open_mailbox(&self, name: &str) -> Option<u32> {
        host::register_queue(name)
    }

    fn send(&self, mailbox: u32) {
        // A message that is lost is made up for by the next tick.
        let _ = host::enqueue(mailbox, MESSAGE);
    }
}
