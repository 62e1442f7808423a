use std::cell::Cell;
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::scheduling::testing::START;
use crate::shared::membership::Generation;
use crate::shared::memory::Memory;
use crate::shared::pool_state::PoolState;
use crate::shared::state_cache::StateCache;
use crate::shared::store::{Contended, NEVER, Store, Stored};

const KEY: &str = "pool_state";

/// A memory that counts what is asked of it.
#[derive(Clone, Debug, Default)]
struct Counted {
    memory: Memory,
    gets: Rc<Cell<u32>>,
    sets: Rc<Cell<u32>>,
}

impl Store for Counted {
    fn get(&self, key: &str) -> Stored {
        self.gets.set(self.gets.get() + 1);
        self.memory.get(key)
    }

    fn set(&self, key: &str, bytes: &[u8], version: u32) -> Result<(), Contended> {
        self.sets.set(self.sets.get() + 1);
        self.memory.set(key, bytes, version)
    }

    fn open_mailbox(&self, name: &str) -> Option<u32> {
        self.memory.open_mailbox(name)
    }

    fn send(&self, mailbox: u32) {
        self.memory.send(mailbox);
    }
}

impl Counted {
    fn take(&self) -> (u32, u32) {
        (self.gets.take(), self.sets.take())
    }
}

fn state_cache(store: &Counted) -> StateCache<Counted> {
    StateCache::new(store.clone(), KEY.to_owned())
}

/// A change that counts: each member that joins has the next epoch.
fn count(pool_state: &mut PoolState) -> Option<u64> {
    let fence = pool_state.membership.join(START)?;
    pool_state.membership.leave(fence);
    Some(fence.epoch)
}

/// So many changes that the next is expected to find what the last left.
fn settle(pool_state: &mut StateCache<Counted>) {
    for _ in 0..3 {
        pool_state.update(count).unwrap();
    }
}

#[test]
fn a_vm_that_nobody_disturbs_writes_without_reading() {
    let store = Counted::default();
    let mut one = state_cache(&store);
    settle(&mut one);
    store.take();
    assert_eq!(one.update(count), Ok(Some(4)));
    assert_eq!(store.take(), (0, 1));
    let reading = one.reading();
    one.recall();
    assert_eq!(one.update_as_read(reading, count), Ok(Some(5)));
    assert_eq!(store.take(), (0, 1));
}

#[test]
fn a_vm_that_was_disturbed_reads_before_it_writes() {
    let store = Counted::default();
    let [mut one, mut other] = [state_cache(&store), state_cache(&store)];
    settle(&mut one);
    other.update(count).unwrap();
    store.take();
    assert_eq!(one.update(count), Ok(Some(5)));
    assert_eq!(store.take(), (1, 2), "tries what it knew, then reads");
    other.update(count).unwrap();
    store.take();
    assert_eq!(one.update(count), Ok(Some(7)));
    assert_eq!(store.take(), (1, 1), "reads at once");
}

#[test]
fn a_write_to_another_key_is_no_harm() {
    let store = Counted::default();
    let mut one = state_cache(&store);
    for epoch in 1..10 {
        store.memory.set("other", b"x", store.memory.get("other").version).unwrap();
        assert_eq!(one.update(count), Ok(Some(epoch)));
    }
}

#[test]
fn room_is_not_taken_by_a_reading_that_was_overtaken() {
    let store = Counted::default();
    let [mut one, mut other] = [state_cache(&store), state_cache(&store)];
    settle(&mut one);
    one.recall();
    let reading = one.reading();
    other.update(count).unwrap();
    assert_eq!(one.update_as_read(reading, count), Err(Contended));
    one.read();
    assert_eq!(one.update_as_read(reading, count), Err(Contended), "it was decided on an earlier one");
    assert_eq!(one.update_as_read(one.reading(), count), Ok(Some(5)));
}

#[test]
fn a_change_that_is_given_up_leaves_no_trace() {
    let store = Counted::default();
    let mut one = state_cache(&store);
    settle(&mut one);
    let given_up = one.update(|pool_state| {
        pool_state.membership.note(Generation { since: START, fingerprint: 7 });
        None::<()>
    });
    assert_eq!(given_up, Ok(None));
    assert!(!one.recall().membership.is_outdated(Generation { since: START, fingerprint: 8 }));
    assert_eq!(one.update(count), Ok(Some(4)));
}

#[test]
fn numbers_that_end_begin_anew() {
    /// Numbers the writes from near the end on, as Envoy does: without zero.
    #[derive(Debug)]
    struct NearTheEnd(Cell<u32>, std::cell::RefCell<Vec<u8>>);
    impl Store for NearTheEnd {
        fn get(&self, _: &str) -> Stored {
            Stored { bytes: self.1.borrow().clone(), version: self.0.get() }
        }
        fn set(&self, _: &str, bytes: &[u8], version: u32) -> Result<(), Contended> {
            assert_ne!(version, 0, "matches anything");
            if version != self.0.get() {
                return Err(Contended);
            }
            self.0.set(version.wrapping_add(1).max(1));
            *self.1.borrow_mut() = bytes.to_vec();
            Ok(())
        }
        fn open_mailbox(&self, _: &str) -> Option<u32> {
            None
        }
        fn send(&self, _: u32) {}
    }
    let mut one = StateCache::new(NearTheEnd(Cell::new(NEVER - 4), std::cell::RefCell::default()), KEY.to_owned());
    for epoch in 1..12 {
        assert_eq!(one.update(count), Ok(Some(epoch)));
    }
}

proptest! {
    /// Whatever interleaving: each change is made exactly once, on all that came before.
    #[test]
    fn no_change_is_lost(steps in vec((0..3_usize, 0..4_u8), 1..60)) {
        let store = Counted::default();
        let mut boards = [(); 3].map(|()| state_cache(&store));
        let mut made = 0;
        for (vm, step) in steps {
            let pool_state = &mut boards[vm];
            match step {
                0 => drop(pool_state.read()),
                1 => {
                    let reading = pool_state.reading();
                    if let Ok(Some(epoch)) = pool_state.update_as_read(reading, count) {
                        made += 1;
                        prop_assert_eq!(epoch, made);
                    }
                }
                2 => {
                    store.memory.set("other", b"x", store.memory.get("other").version).unwrap();
                }
                _ => {
                    made += 1;
                    prop_assert_eq!(pool_state.update(count), Ok(Some(made)));
                }
            }
        }
    }
}
