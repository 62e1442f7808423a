//! Another VM comes between what a VM knows of the pool's state and its writing.

use std::cell::RefCell;
use std::rc::Rc;

use super::world::settings;
use crate::dispatcher::{Action, Dispatcher, End};
use crate::scheduling::request::RequestId;
use crate::scheduling::testing::{START, arrival, pool, profile};
use crate::shared::memory::Memory;
use crate::shared::store::{Contended, Store, Stored};

type Event = Box<dyn FnOnce()>;

/// Before the next write to the pool's state, something else happens.
#[derive(Clone, Default)]
struct Interrupted {
    memory: Memory,
    meanwhile: Rc<RefCell<Option<Event>>>,
}

impl Store for Interrupted {
    fn get(&self, key: &str) -> Stored {
        self.memory.get(key)
    }

    fn set(&self, key: &str, bytes: &[u8], version: u32) -> Result<(), Contended> {
        if key.ends_with("/pool_state")
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

/// Runs one VM that places a request while another places its own, both having served before;
/// returns the actions of each.
fn race(pods: u8) -> (Vec<Action>, Vec<Action>) {
    let store = Interrupted::default();
    let mut one = dispatcher(store.clone(), pods);
    let mut other = dispatcher(store.memory.clone(), pods);
    serve(&mut one, 10);
    serve(&mut other, 20);
    serve(&mut one, 11);
    let others: Rc<RefCell<Vec<Action>>> = Rc::default();
    let noted = Rc::clone(&others);
    *store.meanwhile.borrow_mut() =
        Some(Box::new(move || *noted.borrow_mut() = other.submit(arrival(2, 0, START), START)));
    let actions = one.submit(arrival(1, 0, START), START);
    (actions, others.take())
}

/// A request comes, is placed and ends.
fn serve<S: Store>(dispatcher: &mut Dispatcher<S>, id: u32) {
    assert_eq!(dispatcher.submit(arrival(id, 0, START), START).len(), 1);
    dispatcher.finish(RequestId(id), &End::Answered, START);
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
