//! Shared data in memory, with the semantics of Envoy's: for tests and simulation.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use super::store::{Contended, NEVER, Store, Stored};

/// Clones share one memory.
#[derive(Clone, Debug, Default)]
pub struct Memory(Rc<RefCell<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    values: HashMap<String, Stored>,
    last_version: u32,
    mailboxes: Vec<String>,
    sent: VecDeque<u32>,
}

// === impl Memory ===

impl Memory {
    /// The next message that nobody has taken: its mailbox.
    pub fn take_message(&self) -> Option<u32> {
        self.0.borrow_mut().sent.pop_front()
    }
}

impl Store for Memory {
    fn get(&self, key: &str) -> Stored {
        let inner = self.0.borrow();
        inner.values.get(key).cloned().unwrap_or(Stored { bytes: Vec::new(), version: NEVER })
    }

    fn set(&self, key: &str, bytes: &[u8], version: u32) -> Result<(), Contended> {
        let mut inner = self.0.borrow_mut();
        if inner.values.get(key).is_some_and(|stored| stored.version != version) {
            return Err(Contended);
        }
        inner.last_version += 1;
        let stored = Stored { bytes: bytes.to_vec(), version: inner.last_version };
        inner.values.insert(key.to_owned(), stored);
        Ok(())
    }

    fn open_mailbox(&self, name: &str) -> Option<u32> {
        let mut inner = self.0.borrow_mut();
        let position = inner.mailboxes.iter().position(|known| known == name).unwrap_or_else(|| {
            inner.mailboxes.push(name.to_owned());
            inner.mailboxes.len() - 1
        });
        u32::try_from(position).ok()
    }

    fn send(&self, mailbox: u32) {
        self.0.borrow_mut().sent.push_back(mailbox);
    }
}
