//! Exchange of per-request in-flight state and learned speeds between VMs: this VM publishes its
//! part, and reads the others'.
//!
//! Values of other VMs are read, and this one's is written, at most once in [`EVERY`], so that many
//! small requests do not cost more than they are worth: the ledger, which is exact, has the counts
//! meanwhile.

use std::rc::Rc;
use std::time::Duration;

use super::Dispatcher;
use super::load_exchange::{EVERY, is_over};
use crate::scheduling::occupancy;
use crate::scheduling::time::Instant;
use crate::shared::runs::Runs;
use crate::shared::store::{Store, encode, read, update};

/// Interval at which what was learned is exchanged.
const LEARNED_EVERY: Duration = Duration::from_millis(250);

impl<S: Store> Dispatcher<S> {
    /// Something changed of what runs here: tells the others, if they were not told just now.
    pub(super) fn tell_load(&mut self, now: Instant) {
        self.load_exchange.is_untold |= self.settings.looks_at_runs;
        self.tell(now);
    }

    /// Exchanges with the other VMs what runs and what was learned, and looks at it; not more often
    /// than it helps. Returns `true` if it did more than tell.
    pub(super) fn exchange_load(&mut self, now: Instant) -> bool {
        self.tell(now);
        if is_over(self.load_exchange.exchanged_at, LEARNED_EVERY, now) {
            self.load_exchange.exchanged_at = Some(now);
            self.exchange();
        } else if self.load_exchange.watched == 0 {
            return false;
        }
        let pool = Rc::clone(&self.pool);
        let reading = self.coordinator.read();
        let mut view = reading.view(
            &pool,
            self.coordinator.fence(),
            &self.running,
            (&mut self.tally, &self.load_exchange.latency_models),
            now,
        );
        self.load_exchange.show(&mut view, &self.coordinator, &reading.pool_state.membership, now);
        self.load_exchange.watched =
            occupancy::watch(&view, self.load_exchange.watched, &mut self.load_exchange.latency_models, now);
        true
    }

    fn tell(&mut self, now: Instant) {
        let load_exchange = &mut self.load_exchange;
        let is_due = load_exchange.is_untold && is_over(load_exchange.told_at, EVERY, now);
        let Some(own) = self.coordinator.fence().filter(|_| is_due) else { return };
        let (store, key) = (self.coordinator.store(), self.coordinator.keys().runs(own.slot));
        let version = store.get(&key).version;
        let value = encode(&Runs::of(own, self.running.seen()));
        // Nobody else writes it while this VM is a member; where it fails all the same, the next
        // change or tick writes it.
        load_exchange.is_untold = store.set(&key, &value, version).is_err();
        load_exchange.told_at = Some(now);
    }

    fn exchange(&mut self) {
        let (store, keys) = (self.coordinator.store(), self.coordinator.keys());
        for (deployment, latency_model) in self.load_exchange.latency_models.iter_mut() {
            let key = keys.learned(deployment);
            if !latency_model.has_news() {
                latency_model.take(read(store, &key).0);
                continue;
            }
            let learned = update(store, &key, |all| {
                latency_model.tell(all);
                Some(all.clone())
            });
            if let Ok(Some(learned)) = learned {
                latency_model.take(learned);
            }
        }
    }
}
