use std::cell::Cell;

use crate::scheduling::pool::PodId;
use crate::scheduling::prefix::StoredResponse;
use crate::shared::Keys;
use crate::shared::memory::Memory;
use crate::shared::responses::{holder_of, note_holder};
use crate::shared::store::{Contended, Store, Stored};

fn response(number: usize) -> StoredResponse {
    StoredResponse::of(7, &format!("resp_{number}"))
}

/// Remembers the longest value.
#[derive(Default)]
struct Measured {
    memory: Memory,
    longest: Cell<usize>,
}

impl Store for Measured {
    fn get(&self, key: &str) -> Stored {
        self.memory.get(key)
    }

    fn set(&self, key: &str, bytes: &[u8], version: u32) -> Result<(), Contended> {
        self.longest.set(self.longest.get().max(bytes.len()));
        self.memory.set(key, bytes, version)
    }

    fn open_mailbox(&self, _: &str) -> Option<u32> {
        None
    }

    fn send(&self, _: u32) {}
}

#[test]
fn the_pod_of_each_response_is_known_and_that_of_no_other() {
    let (store, keys) = (Memory::default(), Keys::of("test"));
    let pod = |number: usize| PodId::numbered(number as u64 % 7);
    (0..10_000).for_each(|number| note_holder(&store, &keys, response(number), pod(number)));
    for number in 0..10_000 {
        assert_eq!(holder_of(&store, &keys, response(number)), Some(pod(number)));
        assert_eq!(holder_of(&store, &keys, response(number + 10_000)), None);
        assert_eq!(holder_of(&store, &Keys::of("other"), response(number)), None);
    }
    note_holder(&store, &keys, response(3), pod(4));
    assert_eq!(holder_of(&store, &keys, response(3)), Some(pod(4)), "the last that gave it has it");
}

#[test]
fn there_are_never_more_than_so_many() {
    const NOTED: usize = 150_000;
    let (store, keys) = (Measured::default(), Keys::of("test"));
    (0..NOTED).for_each(|number| note_holder(&store, &keys, response(number), PodId::numbered(u64::MAX)));
    let is_known = |number: &usize| holder_of(&store, &keys, response(*number)).is_some();
    assert_eq!((0..NOTED).filter(is_known).count(), 65_536);
    assert!((NOTED - 20_000..NOTED).all(|number| is_known(&number)), "the last ones are known");
    assert!(store.longest.get() <= 64 * 20 + 1, "{} bytes", store.longest.get());
}

#[test]
fn what_cannot_be_read_counts_as_nothing_and_is_replaced() {
    let (store, keys) = (Memory::default(), Keys::of("test"));
    let all = (0..1024).map(|cell| keys.responses(cell));
    all.for_each(|key| store.set(&key, &[0xFF; 40], store.get(&key).version).unwrap());
    assert_eq!(holder_of(&store, &keys, response(1)), None);
    note_holder(&store, &keys, response(1), PodId::numbered(1));
    assert_eq!(holder_of(&store, &keys, response(1)), Some(PodId::numbered(1)));
}
