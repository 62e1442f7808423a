//! Documents that one VM fetches and all use: profiles and pods.
//!
//! Each source has a few cells in shared data, tagged by the fingerprint of the configuration that fetches it, so that
//! two roots with different configurations live side by side while the old one drains. Cells are recycled, the one used
//! longest ago first. A cell holds its state (who fetches, since when; small) and the last good document.

use std::hash::Hasher;
use std::time::Duration;

use fnv::FnvHasher;
use serde::{Deserialize, Serialize};

use super::keys::Keys;
use super::store::{self, Store, update};
use crate::scheduling::time::Instant;

/// Configurations that live side by side at most before a cell is taken from one of them.
const CELLS: usize = 4;

/// One source of one configuration, as one VM sees it.
#[derive(Debug)]
pub struct SharedDocument {
    kind: &'static str,
    fingerprint: u64,
    /// The version of the document in use here.
    seen: u64,
}

/// What came of a fetch, for the one VM that did it to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Concluded {
    /// The document differs from the last one.
    pub changed: bool,
    /// What is wrong, or that nothing is any more, differs from what was last said, by whichever VM.
    pub news: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    fingerprint: u64,
    /// Counts the documents; zero before the first.
    version: u64,
    /// Nobody else fetches before this.
    leased_until: Instant,
    /// When it was last fetched, or tried to be.
    fetched_at: Option<Instant>,
    /// A hash of what was last wrong with it; zero for nothing.
    complaint: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Document {
    fingerprint: u64,
    version: u64,
    bytes: Vec<u8>,
}

// === impl SharedDocument ===

impl SharedDocument {
    /// The source of this kind for the configuration with this fingerprint.
    pub fn new(kind: &'static str, fingerprint: u64) -> Self {
        Self { kind, fingerprint, seen: 0 }
    }

    /// Takes the right to fetch, if that is due and nobody else has it: until `timeout` and a second have passed.
    pub fn lease(&self, store: &impl Store, keys: &Keys, every: Duration, timeout: Duration, now: Instant) -> bool {
        let key = keys.source(self.kind, self.cell(store, keys));
        let leased = update(store, &key, |state: &mut State| {
            if state.fingerprint != self.fingerprint {
                *state = State { fingerprint: self.fingerprint, ..State::default() };
            }
            let due = state.fetched_at.is_none_or(|at| now.since(at) >= every);
            (due && state.leased_until <= now).then(|| {
                state.fetched_at = Some(now);
                state.leased_until = now.after(timeout).after(Duration::from_secs(1));
            })
        });
        leased == Ok(Some(()))
    }

    /// Puts a good document into force for all VMs, if it differs from the last one. Ends the lease. `complaint` says what
    /// is wrong with parts of it, if anything is.
    pub fn publish(&self, store: &impl Store, keys: &Keys, bytes: &[u8], complaint: Option<&str>) -> Concluded {
        let cell = self.cell(store, keys);
        let changed = update(store, &keys.document(self.kind, cell), |document: &mut Document| {
            let same = document.fingerprint == self.fingerprint && document.bytes == bytes;
            (!same).then(|| {
                let version = document.version.wrapping_add(1).max(1);
                *document = Document { fingerprint: self.fingerprint, version, bytes: bytes.to_vec() };
                version
            })
        });
        let version = changed.ok().flatten();
        Concluded { changed: version.is_some(), news: self.end_lease(store, keys, cell, version, complaint) }
    }

    /// Ends the lease without a new document: the last good one stays. `complaint` says why.
    pub fn keep(&self, store: &impl Store, keys: &Keys, complaint: &str) -> Concluded {
        let cell = self.cell(store, keys);
        Concluded { changed: false, news: self.end_lease(store, keys, cell, None, Some(complaint)) }
    }

    /// The document, if there is one newer than the last that was taken here.
    pub fn take_newer(&mut self, store: &impl Store, keys: &Keys) -> Option<Vec<u8>> {
        let cell = self.cell(store, keys);
        let (state, _): (State, u32) = store::read(store, &keys.source(self.kind, cell));
        if state.fingerprint != self.fingerprint || state.version == self.seen {
            return None;
        }
        let (document, _): (Document, u32) = store::read(store, &keys.document(self.kind, cell));
        if document.fingerprint != self.fingerprint || document.version == self.seen {
            return None;
        }
        self.seen = document.version;
        Some(document.bytes)
    }

    /// Says whether the complaint is news.
    fn end_lease(
        &self,
        store: &impl Store,
        keys: &Keys,
        cell: usize,
        version: Option<u64>,
        complaint: Option<&str>,
    ) -> bool {
        let complaint = complaint.map_or(0, hash);
        let ended = update(store, &keys.source(self.kind, cell), |state: &mut State| {
            (state.fingerprint == self.fingerprint).then(|| {
                state.leased_until = Instant::ZERO;
                state.version = version.unwrap_or(state.version);
                std::mem::replace(&mut state.complaint, complaint) != complaint
            })
        });
        // If it fails, the lease runs out by itself.
        ended == Ok(Some(true))
    }

    /// The cell of this configuration, or the one to take for it.
    fn cell(&self, store: &impl Store, keys: &Keys) -> usize {
        let states: Vec<State> = (0..CELLS).map(|cell| store::read(store, &keys.source(self.kind, cell)).0).collect();
        let own = states.iter().position(|state| state.fingerprint == self.fingerprint && state.fetched_at.is_some());
        own.or_else(|| {
            let oldest = states.iter().enumerate().min_by_key(|(_, state)| state.fetched_at);
            oldest.map(|(cell, _)| cell)
        })
        .unwrap_or_default()
    }
}

/// Never zero.
fn hash(complaint: &str) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(complaint.as_bytes());
    hasher.finish().max(1)
}
