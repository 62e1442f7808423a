//! Tasks of the workers, in order of time.

use std::collections::BTreeMap;

use slo_router::scheduling::time::Instant;

/// Something that a worker does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// A message came to this worker, in this mailbox.
    Message(usize, u32),
    /// This worker's timer fires; the number tells a timer that was set anew since.
    Tick(usize, u64),
}

/// Tasks in the order of time, and those due together in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    tasks: BTreeMap<(Instant, u64), Task>,
    added: u64,
}

// === impl Agenda ===

impl Agenda {
    pub(super) fn add(&mut self, at: Instant, task: Task) {
        self.added += 1;
        self.tasks.insert((at, self.added), task);
    }

    pub(super) fn next_at(&self) -> Option<Instant> {
        self.tasks.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Option<Task> {
        self.tasks.first_entry().filter(|first| first.key().0 <= now).map(|first| first.remove())
    }
}
