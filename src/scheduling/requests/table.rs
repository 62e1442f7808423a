//! Entries of requests by number, each of the stage that its request has reached.

use std::collections::BTreeMap;
use std::collections::btree_map;

use super::running::RunningRequest;
use crate::scheduling::request::{Request, RequestId};
use crate::scheduling::time::Instant;

/// See the module. A tree: a table that outgrows its room is moved as a whole, which takes
/// milliseconds.
#[derive(Debug, Default)]
pub(in crate::scheduling) struct Table(BTreeMap<RequestId, Entry>);

/// Entry of a request.
#[derive(Debug)]
enum Entry {
    Waiting(Box<WaitingRequest>),
    Running(Box<RunningRequest>),
}

/// A request that waits, and what its place in the queue goes by.
#[derive(Debug)]
pub(in crate::scheduling) struct WaitingRequest {
    /// The request.
    pub(in crate::scheduling) request: Request,
    /// Instant from which it may reserve a pod.
    pub(in crate::scheduling) ages_at: Instant,
    /// The pool that it was judged by, as the queue counts them.
    pub(in crate::scheduling) judged_by: u64,
}

// === impl Table ===

impl Table {
    pub(super) fn wait(&mut self, waiting: WaitingRequest) {
        self.0.insert(waiting.request.arrival.id, Entry::Waiting(Box::new(waiting)));
    }

    pub(super) fn run(&mut self, running: RunningRequest) {
        self.0.insert(running.arrival.id, Entry::Running(Box::new(running)));
    }

    /// Takes a request out that waits.
    pub(super) fn take_waiting(&mut self, id: RequestId) -> Option<WaitingRequest> {
        match self.take_if(id, |entry| matches!(entry, Entry::Waiting(_)))? {
            Entry::Waiting(waiting) => Some(*waiting),
            Entry::Running(_) => None,
        }
    }

    /// Takes a request out that runs.
    pub(super) fn take_running(&mut self, id: RequestId) -> Option<RunningRequest> {
        match self.take_if(id, |entry| matches!(entry, Entry::Running(_)))? {
            Entry::Running(running) => Some(*running),
            Entry::Waiting(_) => None,
        }
    }

    fn take_if(&mut self, id: RequestId, is_meant: impl FnOnce(&Entry) -> bool) -> Option<Entry> {
        match self.0.entry(id) {
            btree_map::Entry::Occupied(occupied) if is_meant(occupied.get()) => Some(occupied.remove()),
            _ => None,
        }
    }

    /// Returns a request that waits.
    pub(in crate::scheduling) fn waiting(&self, id: RequestId) -> Option<&WaitingRequest> {
        match self.0.get(&id)? {
            Entry::Waiting(waiting) => Some(waiting),
            Entry::Running(_) => None,
        }
    }

    /// Returns a request that waits, to change it.
    pub(in crate::scheduling) fn waiting_mut(&mut self, id: RequestId) -> Option<&mut WaitingRequest> {
        match self.0.get_mut(&id)? {
            Entry::Waiting(waiting) => Some(waiting),
            Entry::Running(_) => None,
        }
    }

    /// Returns a request that runs.
    pub(super) fn running(&self, id: RequestId) -> Option<&RunningRequest> {
        match self.0.get(&id)? {
            Entry::Running(running) => Some(running),
            Entry::Waiting(_) => None,
        }
    }

    /// Returns a request that runs, to change it.
    pub(super) fn running_mut(&mut self, id: RequestId) -> Option<&mut RunningRequest> {
        match self.0.get_mut(&id)? {
            Entry::Running(running) => Some(running),
            Entry::Waiting(_) => None,
        }
    }
}
