//! Documents that one VM fetches and all use: profiles and pods.
//!
//! Documents of one kind share a few cells in shared data, each tagged by the fingerprint of where
//! its document is fetched from. So a configuration update that leaves the source as it is has its
//! documents at once, and one that changes it lives beside the old one while that drains. Cells are
//! recycled, the one used longest ago first. A cell holds its state (who fetches, since when;
//! small) and the last good document.

use std::hash::Hasher;
use std::time::Duration;

use fnv::FnvHasher;
use serde::{Deserialize, Serialize};

use super::keys::Keys;
use super::store::{self, Store, update};
use crate::scheduling::time::Instant;

/// Until the first good document, a fetch that gave none is tried again this soon, then after twice
/// as long each time, up to the interval: a gateway that just started has nothing else to go by.
const FIRST_RETRY: Duration = Duration::from_millis(50);

/// The least time between two fetches of which the second is hastened.
const HASTENED: Duration = Duration::from_secs(1);

/// Answers of a fetch that cost its server little: a service, a page of its endpoints and one of
/// its pods.
const FEW_ANSWERS: u32 = 3;
/// Time to the next fetch at least, for each answer beyond these: thousands of pods come in many
/// pages, which no server is to be asked for all the time.
const PER_ANSWER: Duration = Duration::from_millis(500);

/// Sources that live side by side at most before a cell is taken from one of them.
const CELLS: usize = 4;

/// One source, as one VM sees it.
#[derive(Debug)]
pub struct SharedDocument {
    kind: &'static str,
    fingerprint: u64,
    /// The document in use here: its cell and version.
    seen: Option<(usize, u64)>,
}

/// Outcome of a fetch, for the one VM that did it to report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Concluded {
    /// The document differs from the last one.
    pub changed: bool,
    /// The complaint, or its absence, differs from what any VM reported last.
    pub news: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct DocumentState {
    fingerprint: u64,
    /// Counts the documents; zero before the first.
    version: u64,
    /// Nobody else fetches before this.
    leased_until: Instant,
    /// Instant of the last fetch, successful or not.
    fetched_at: Option<Instant>,
    /// Answers that the last fetch took so far.
    answers: u32,
    /// Fetches that gave nothing before the first document.
    failures: u32,
    /// `true` if it seems to have changed since it was fetched.
    hastened: bool,
    /// A hash of what was last wrong with it; zero for nothing.
    complaint: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct StoredDocument {
    fingerprint: u64,
    version: u64,
    /// By what its server tells it from others, if it does.
    etag: Option<String>,
    /// A hash of what is wrong with parts of it; zero for nothing.
    complaint: u64,
    bytes: Vec<u8>,
}

/// A good document.
#[derive(Clone, Copy, Debug, Default)]
pub struct Good<'a> {
    /// Content of the document.
    pub bytes: &'a [u8],
    /// Entity tag by which its server distinguishes it from other versions, if it sends one.
    pub etag: Option<&'a str>,
    /// Fault of parts of it, if there is any.
    pub complaint: Option<&'a str>,
}

// === impl SharedDocument ===

impl SharedDocument {
    /// The source of this kind with this fingerprint.
    pub fn new(kind: &'static str, fingerprint: u64) -> Self {
        Self { kind, fingerprint, seen: None }
    }

    /// Returns `true` if a document was taken here.
    pub fn is_seen(&self) -> bool {
        self.seen.is_some()
    }

    /// Takes the right to fetch, if that is due and nobody else has it: until `timeout` and a
    /// second have passed.
    pub fn lease(&self, store: &impl Store, keys: &Keys, every: Duration, timeout: Duration, now: Instant) -> bool {
        let key = keys.source(self.kind, self.cell_to_take(&states(store, keys, self.kind)));
        let leased = update(store, &key, |state: &mut DocumentState| {
            if state.fingerprint != self.fingerprint {
                *state = DocumentState { fingerprint: self.fingerprint, ..DocumentState::default() };
            }
            let due = state.fetched_at.is_none_or(|at| now.since(at) >= state.pause(every));
            (due && state.leased_until <= now).then(|| {
                state.fetched_at = Some(now);
                state.leased_until = lease_until(timeout, now);
                state.answers = 1;
                state.hastened = false;
            })
        });
        leased == Ok(Some(()))
    }

    /// Makes the next fetch due now, or a second after the last one (more for one of many answers):
    /// something shows that the document in force is out of date.
    pub fn hasten(&self, store: &impl Store, keys: &Keys) {
        let Some(cell) = self.own_cell(&states(store, keys, self.kind)) else { return };
        // If it fails, the document is fetched when it is due.
        let _ = update(store, &keys.source(self.kind, cell), |state: &mut DocumentState| {
            (state.fingerprint == self.fingerprint && !state.hastened).then(|| state.hastened = true)
        });
    }

    /// Prolongs the right to fetch, for one more answer.
    pub fn renew(&self, store: &impl Store, keys: &Keys, timeout: Duration, now: Instant) {
        let Some(cell) = self.own_cell(&states(store, keys, self.kind)) else { return };
        // If it fails, another VM may fetch the same beside this one.
        let _ = update(store, &keys.source(self.kind, cell), |state: &mut DocumentState| {
            (state.fingerprint == self.fingerprint).then(|| {
                state.answers = state.answers.saturating_add(1);
                state.leased_until = lease_until(timeout, now);
            })
        });
    }

    /// By what the server of the document in force tells it from others, if it does.
    pub fn etag(&self, store: &impl Store, keys: &Keys) -> Option<String> {
        let cell = self.own_cell(&states(store, keys, self.kind))?;
        let (document, _): (StoredDocument, u32) = store::read(store, &keys.document(self.kind, cell));
        document.etag.filter(|_| document.fingerprint == self.fingerprint)
    }

    /// The document in force; empty if there is none.
    pub fn in_force(&self, store: &impl Store, keys: &Keys) -> Vec<u8> {
        let Some(cell) = self.own_cell(&states(store, keys, self.kind)) else { return Vec::new() };
        let (document, _): (StoredDocument, u32) = store::read(store, &keys.document(self.kind, cell));
        if document.fingerprint == self.fingerprint { document.bytes } else { Vec::new() }
    }

    /// Puts a good document into force for all VMs, if it differs from the last one. Ends the
    /// lease.
    pub fn publish(&self, store: &impl Store, keys: &Keys, good: Good<'_>) -> Concluded {
        // Without a cell, four other configurations came meanwhile; the next lease takes one back.
        let Some(cell) = self.own_cell(&states(store, keys, self.kind)) else { return Concluded::default() };
        let complaint = good.complaint.map_or(0, hash);
        let (mut version, mut changed) = (None, false);
        let written = update(store, &keys.document(self.kind, cell), |document: &mut StoredDocument| {
            let is_own = document.fingerprint == self.fingerprint;
            changed = !is_own || document.bytes != good.bytes;
            if !changed && document.etag.as_deref() == good.etag && document.complaint == complaint {
                version = Some(document.version);
                return None;
            }
            let next = if changed { document.version.wrapping_add(1).max(1) } else { document.version };
            let (etag, bytes) = (good.etag.map(str::to_owned), good.bytes.to_vec());
            *document = StoredDocument { fingerprint: self.fingerprint, version: next, etag, complaint, bytes };
            version = Some(next);
            Some(())
        });
        let news = self.end_lease(store, keys, cell, version.filter(|_| written.is_ok()), complaint);
        Concluded { changed: changed && written == Ok(Some(())), news }
    }

    /// Ends the lease: the document in force is still what the server has.
    pub fn confirm(&self, store: &impl Store, keys: &Keys) -> Concluded {
        let Some(cell) = self.own_cell(&states(store, keys, self.kind)) else { return Concluded::default() };
        let (document, _): (StoredDocument, u32) = store::read(store, &keys.document(self.kind, cell));
        if document.fingerprint != self.fingerprint {
            return Concluded::default();
        }
        let news = self.end_lease(store, keys, cell, Some(document.version), document.complaint);
        Concluded { changed: false, news }
    }

    /// Ends the lease without a new document: the last good one stays. `complaint` says why.
    pub fn keep(&self, store: &impl Store, keys: &Keys, complaint: &str) -> Concluded {
        let Some(cell) = self.own_cell(&states(store, keys, self.kind)) else { return Concluded::default() };
        Concluded { changed: false, news: self.end_lease(store, keys, cell, None, hash(complaint)) }
    }

    /// The document, if there is one newer than the last that was taken here.
    pub fn take_newer(&mut self, store: &impl Store, keys: &Keys) -> Option<Vec<u8>> {
        let states = states(store, keys, self.kind);
        let cell = self.own_cell(&states)?;
        let version = states.get(cell).map_or(0, |state| state.version);
        if version == 0 || self.seen == Some((cell, version)) {
            return None;
        }
        let (document, _): (StoredDocument, u32) = store::read(store, &keys.document(self.kind, cell));
        let seen = Some((cell, document.version));
        if document.fingerprint != self.fingerprint || seen == self.seen {
            return None;
        }
        self.seen = seen;
        Some(document.bytes)
    }

    /// Says whether the complaint is news.
    fn end_lease(&self, store: &impl Store, keys: &Keys, cell: usize, version: Option<u64>, complaint: u64) -> bool {
        let ended = update(store, &keys.source(self.kind, cell), |state: &mut DocumentState| {
            (state.fingerprint == self.fingerprint).then(|| {
                state.leased_until = Instant::ZERO;
                state.version = version.unwrap_or(state.version);
                state.failures = state.failures.saturating_add(u32::from(state.version == 0));
                std::mem::replace(&mut state.complaint, complaint) != complaint
            })
        });
        // If it fails, the lease runs out by itself.
        ended == Ok(Some(true))
    }

    /// The cell of this configuration.
    fn own_cell(&self, states: &[DocumentState]) -> Option<usize> {
        states.iter().position(|state| state.fingerprint == self.fingerprint && state.fetched_at.is_some())
    }

    /// The cell of this configuration, or the one to take for it.
    fn cell_to_take(&self, states: &[DocumentState]) -> usize {
        let oldest = || states.iter().enumerate().min_by_key(|(_, state)| state.fetched_at).map(|(cell, _)| cell);
        self.own_cell(states).or_else(oldest).unwrap_or_default()
    }
}

// === impl DocumentState ===

impl DocumentState {
    /// Time from the start of the last fetch to the next one.
    fn pause(&self, every: Duration) -> Duration {
        if self.version > 0 {
            let least = PER_ANSWER.saturating_mul(self.answers.saturating_sub(FEW_ANSWERS));
            return least.max(if self.hastened { every.min(HASTENED) } else { every });
        }
        let doubled = 1_u32.checked_shl(self.failures.saturating_sub(1)).unwrap_or(u32::MAX);
        FIRST_RETRY.saturating_mul(doubled).min(every)
    }
}

fn states(store: &impl Store, keys: &Keys, kind: &str) -> Vec<DocumentState> {
    (0..CELLS).map(|cell| store::read(store, &keys.source(kind, cell)).0).collect()
}

fn lease_until(timeout: Duration, now: Instant) -> Instant {
    now.after(timeout).after(Duration::from_secs(1))
}

/// Never zero.
fn hash(complaint: &str) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(complaint.as_bytes());
    hasher.finish().max(1)
}
