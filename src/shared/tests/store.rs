use std::cell::Cell;

use crate::shared::memory::Memory;
use crate::shared::store::{Contended, NEVER, Store, Stored, read, update};

/// The first writes fail, as many as said, since another VM adds one in between.
struct Rival {
    memory: Memory,
    left: Cell<usize>,
}

impl Store for Rival {
    fn get(&self, key: &str) -> Stored {
        self.memory.get(key)
    }

    fn set(&self, key: &str, bytes: &[u8], version: u32) -> Result<(), Contended> {
        if let Some(left) = self.left.get().checked_sub(1) {
            self.left.set(left);
            add_one(&self.memory).unwrap();
        }
        self.memory.set(key, bytes, version)
    }

    fn open_mailbox(&self, _: &str) -> Option<u32> {
        None
    }

    fn send(&self, _: u32) {}
}

fn add_one(store: &impl Store) -> Result<Option<()>, Contended> {
    update(store, "k", |value: &mut u64| {
        *value += 1;
        Some(())
    })
}

fn value(store: &impl Store) -> u64 {
    read(store, "k").0
}

#[test]
fn an_update_starts_again_from_what_the_rival_wrote() {
    let store = Rival { memory: Memory::default(), left: Cell::new(5) };
    assert_eq!(add_one(&store), Ok(Some(())));
    assert_eq!(value(&store), 6);
}

#[test]
fn an_update_gives_up_in_the_end() {
    let store = Rival { memory: Memory::default(), left: Cell::new(usize::MAX) };
    assert_eq!(add_one(&store), Err(Contended));
}

#[test]
fn a_change_that_declines_writes_nothing() {
    let memory = Memory::default();
    add_one(&memory).unwrap();
    let before = memory.get("k");
    let declined = update(&memory, "k", |value: &mut u64| {
        *value = 9;
        None::<()>
    });
    assert_eq!((declined, memory.get("k")), (Ok(None), before));
}

#[test]
fn what_cannot_be_decoded_counts_as_missing_and_is_replaced() {
    let memory = Memory::default();
    memory.set("k", &[0xff; 3], NEVER).unwrap();
    assert_eq!(value(&memory), 0);
    assert_eq!(add_one(&memory), Ok(Some(())));
    assert_eq!(value(&memory), 1);
}

#[test]
fn a_value_is_created_once() {
    let memory = Memory::default();
    assert_eq!(memory.get("k").version, NEVER);
    assert_eq!(memory.set("k", b"a", NEVER), Ok(()));
    assert_eq!(memory.set("k", b"b", NEVER), Err(Contended));
    assert_eq!(memory.get("k").bytes, b"a");
}

#[test]
fn a_version_is_good_for_one_write() {
    let memory = Memory::default();
    memory.set("k", b"a", NEVER).unwrap();
    let version = memory.get("k").version;
    assert_eq!(memory.set("k", b"b", version), Ok(()));
    assert_eq!(memory.set("k", b"c", version), Err(Contended));
}

#[test]
fn a_mailbox_is_known_by_its_name() {
    let memory = Memory::default();
    let [one, other, again] = ["one", "other", "one"].map(|name| memory.open_mailbox(name).unwrap());
    assert!(one == again && one != other);
    memory.send(other);
    assert_eq!([(); 2].map(|()| memory.take_message()), [Some(other), None]);
}
