//! Exchange of what runs and of what was learned with the other VMs, and the look at what runs.

use std::mem;
use std::rc::Rc;
use std::time::Duration;

use super::Dispatcher;
use crate::scheduling::time::Instant;
use crate::shared::store::Store;

/// Time between exchanges of what answers taught.
const ANSWERS_EXCHANGED_EVERY: Duration = Duration::from_millis(250);

impl<S: Store> Dispatcher<S> {
    /// A request that came then was sent to a pod, or ended.
    pub(super) fn note_load(&mut self, arrived_at: Instant) {
        if self.settings.looks_at_runs {
            self.coordinator.note_change(arrived_at);
        }
    }

    /// Tells the others what changed of what runs here, if they were not told just now.
    pub(super) fn tell_load(&mut self, now: Instant) {
        self.coordinator.tell_runs(&self.requests, &self.knowledge, false, now);
    }

    /// Exchanges with the other VMs what is due: what runs, and what answers taught; one of them
    /// while something waits, in turns. Returns `true` if that took long, which it does not where
    /// no policy looks at what runs.
    pub(super) fn exchange(&mut self, now: Instant) -> bool {
        let looks_at_runs = self.settings.looks_at_runs;
        let waits = self.requests.any_waits();
        let answers_due = now.since(self.answers_exchanged_at) >= ANSWERS_EXCHANGED_EVERY;
        let gives_way = mem::take(&mut self.exchanged_load_last) && answers_due && waits;
        let is_member = self.coordinator.fence().is_some();
        self.exchanged_load_last = !gives_way && looks_at_runs && is_member && self.exchange_load(now);
        if !answers_due || self.exchanged_load_last && waits {
            return self.exchanged_load_last;
        }
        self.answers_exchanged_at = now;
        self.knowledge.exchange_answers(self.coordinator.store(), self.coordinator.keys(), now);
        looks_at_runs
    }

    /// Exchanges with the other VMs what runs and what was learned, and looks at it; not more often
    /// than it helps. Returns `true` if it did more than tell.
    fn exchange_load(&mut self, now: Instant) -> bool {
        self.coordinator.tell_runs(&self.requests, &self.knowledge, !self.requests.any_waits(), now);
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
