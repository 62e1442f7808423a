//! The shared memory as each worker reaches it, and to whom its mailboxes belong.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use slo_router::shared::memory::Memory;
use slo_router::shared::store::{Contended, Store, Stored};

/// The memory, and which worker opened which mailbox last.
#[derive(Clone, Default)]
pub(super) struct Mail {
    memory: Memory,
    owners: Rc<RefCell<HashMap<u32, usize>>>,
}

/// One worker's way to the memory.
#[derive(Clone)]
pub(super) struct Port {
    mail: Mail,
    worker: usize,
}

// === impl Mail ===

impl Mail {
    pub(super) fn port(&self, worker: usize) -> Port {
        Port { mail: self.clone(), worker }
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The addressee of the next message that was sent.
    pub(super) fn take(&self) -> Option<usize> {
        let mailbox = self.memory.take_message()?;
        self.owners.borrow().get(&mailbox).copied()
    }
}

// === impl Port ===

impl Store for Port {
    fn get(&self, key: &str) -> Stored {
        self.mail.memory.get(key)
    }

    fn set(&self, key: &str, bytes: &[u8], version: u32) -> Result<(), Contended> {
        self.mail.memory.set(key, bytes, version)
    }

    fn open_mailbox(&self, name: &str) -> Option<u32> {
        let mailbox = self.mail.memory.open_mailbox(name)?;
        self.mail.owners.borrow_mut().insert(mailbox, self.worker);
        Some(mailbox)
    }

    fn send(&self, mailbox: u32) {
        self.mail.memory.send(mailbox);
    }
}
