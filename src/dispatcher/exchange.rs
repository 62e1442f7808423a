//! Exchange of what runs and of what was learned with the other VMs, and the look at what runs.

use std::rc::Rc;

use super::Dispatcher;
use crate::scheduling::time::Instant;
use crate::shared::store::Store;

impl<S: Store> Dispatcher<S> {
    /// Something changed of what runs here: tells the others, if they were not told just now.
    pub(super) fn tell_load(&mut self, now: Instant) {
        if self.settings.looks_at_runs {
            self.coordinator.note_change();
        }
        self.coordinator.tell_runs(&self.requests, &self.knowledge, now);
    }

    /// Exchanges with the other VMs what runs and what was learned, and looks at it; not more often
    /// than it helps. Returns `true` if it did more than tell.
    pub(super) fn exchange_load(&mut self, now: Instant) -> bool {
        self.coordinator.tell_runs(&self.requests, &self.knowledge, now);
        if !self.knowledge.take_turn(self.coordinator.store(), self.coordinator.keys(), now) {
            return false;
        }
        let pool = Rc::clone(&self.pool);
        let reading = self.coordinator.read();
        let mut view = self.coordinator.view(&reading, &pool, &self.requests, self.knowledge.latency_models(), now);
        self.coordinator.show_runs(&mut view, &reading, &mut self.requests, &mut self.knowledge, now);
        self.knowledge.look(&view, now);
        true
    }
}
