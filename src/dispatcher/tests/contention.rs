//! Another VM comes between a VM's reading of the ledger and its writing.

use std::cell::RefCell;
use std::rc::Rc;

use super::world::settings;
use crate::dispatcher::{Action, Dispatcher};
use crate::scheduling::testing::{START, arrival, pool, profile};
use crate::shared::memory::Memory;
use crate::shared::store::{Contended, Store, Stored};

/// Before the first write to a ledger, something else happens.
#[derive(Clone, Default)]
struct Interrupted {
    memory: Memory,
    meanwhile: Rc<RefCell<Option<Box<dyn FnOnce()>>>>,
}

impl Store for Interrupted {
    fn get(&self, key: &str) -> Stored {
        self.memory.get(key)
    }

    fn set(&self, key: &str, bytes: &[u8], version: u32) -> Result<(), Contended> {
        if key.contains("/ledger/")
            && let Some(meanwhile) = self.meanwhile.take()
        {
            meanwhile();
        }
        self.memory.set(key, bytes, version)
    }

    fn open_mailbox(&self, name: &str) -> Option<u32> {
        self.memory.open_mailbox(name)
    }

    fn send(&self, mailbox: u32) {
        self.memory.send(mailbox);
    }
}

fn dispatcher<S: Store>(store: S, pods: u8) -> Dispatcher<S> {
    let mut dispatcher = Dispatcher::new(store, settings(), 1, START);
    dispatcher.set_pool(Rc::new(pool(&[("a", pods, Some(profile(&[(0.6, 1.0)], 5.0)))])), START);
    dispatcher
}

/// What one VM does when another places a request while it places its own.
fn race(pods: u8) -> (Vec<Action>, Vec<Action>) {
    let store = Interrupted::default();
    let mut one = dispatcher(store.clone(), pods);
    let mut other = dispatcher(store.memory.clone(), pods);
    let others: Rc<RefCell<Vec<Action>>> = Rc::default();
    let noted = Rc::clone(&others);
    *store.meanwhile.borrow_mut() =
        Some(Box::new(move || *noted.borrow_mut() = other.submit(arrival(2, 0, START), START)));
    let actions = one.submit(arrival(1, 0, START), START);
    (actions, others.take())
}

fn address(actions: &[Action]) -> std::net::SocketAddr {
    let [Action::Forward(_, placement)] = actions else { panic!("{actions:?}") };
    placement.address
}

#[test]
fn two_vms_never_both_take_the_last_room() {
    let (actions, others) = race(1);
    assert_eq!((actions, others.len()), (vec![], 1));
}

#[test]
fn a_vm_that_came_second_decides_again() {
    let (actions, others) = race(2);
    assert_ne!(address(&actions), address(&others));
}
