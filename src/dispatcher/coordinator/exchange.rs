//! Exchange with the other VMs of what runs, request by request.

use super::Coordinator;
use super::reading::Reading;
use crate::learning::Knowledge;
use crate::scheduling::pool::PodId;
use crate::scheduling::requests::{Requests, RunKey};
use crate::scheduling::run::Run;
use crate::scheduling::time::Instant;
use crate::scheduling::view::View;
use crate::shared::membership::Membership;
use crate::shared::store::Store;

/// Most requests that a VM tells of while it is alone.
const TOLD_TO_NOBODY: usize = 96;

impl<S: Store> Coordinator<S> {
    /// Tells a view what runs on each pod, for a policy that goes by it. Returns the number of
    /// requests of other VMs that were read for it.
    pub(in crate::dispatcher) fn show_runs(
        &mut self,
        view: &mut View<'_>,
        reading: &Reading,
        requests: &mut Requests,
        knowledge: &mut Knowledge,
        now: Instant,
    ) -> usize {
        let own = self.fence();
        let members = reading.membership().others(own, now).map(|member| member.fence).collect();
        let shared = (self.pool_state.store(), &self.keys);
        let read = self.load_exchange.read(members, shared, requests.on_pods_mut(), knowledge, now);
        view.tell_runs(requests.on_pods());
        read
    }

    /// Returns what other VMs run, as far as it was read.
    pub(in crate::dispatcher) fn runs_elsewhere(&self) -> impl Iterator<Item = (RunKey, PodId, &Run)> {
        self.load_exchange.runs()
    }

    /// Notes that a request that came then was sent to a pod, or ended.
    pub(in crate::dispatcher) fn note_change(&mut self, arrived_at: Instant) {
        self.telling.note_change(arrived_at);
    }

    /// Notes that the answer to a request that came then goes on.
    pub(in crate::dispatcher) fn note_progress(&mut self, arrived_at: Instant) {
        self.telling.note_progress(arrived_at);
    }

    /// Tells the other VMs what changed of what runs here, if there are any and they were not told
    /// just now.
    pub(in crate::dispatcher) fn tell_runs(
        &mut self,
        requests: &Requests,
        knowledge: &Knowledge,
        in_idle_tick: bool,
        now: Instant,
    ) {
        let Some(own) = self.fence().filter(|_| self.telling.is_due(now)) else { return };
        let is_alone = |membership: &Membership| membership.others(Some(own), now).next().is_none();
        // Few are told to nobody, too: one that joins then knows them at once. And another one may
        // have joined since.
        let are_many = requests.running_count() > TOLD_TO_NOBODY;
        if are_many && is_alone(self.known_membership()) && is_alone(self.read().membership()) {
            return self.telling.put_off(now);
        }
        let shared = (self.pool_state.store(), &self.keys);
        self.telling.tell(own, shared, requests, || knowledge.placements(), in_idle_tick, now);
    }
}
