//! Telling the other VMs what waits here, and waking those whose claims fit the room that there is.

use std::rc::Rc;

use super::Dispatcher;
use super::coordinator::Reading;
use crate::scheduling::time::Instant;
use crate::scheduling::view::View;
use crate::shared::claim::Claim;
use crate::shared::store::Store;

impl<S: Store> Dispatcher<S> {
    /// After a round, or what else changed the queue: publishes what is left there, and wakes the
    /// VMs for which there is room left. They are those of `reading`.
    pub(super) fn tell_others(&mut self, reading: &Reading, now: Instant) {
        let claim = self.claim(reading, now);
        self.coordinator.publish_queue(self.waiting_here(), claim, reading.membership());
        self.wake_claims(reading, now);
    }

    /// Asks for a turn of this VM's own: [`look_again`](Self::look_again) is called from a flat
    /// stack, soon.
    pub fn ask_for_a_turn(&mut self, now: Instant) {
        self.coordinator.join(&self.pool, &self.requests, now);
        self.coordinator.wake_self();
    }

    /// After a release, where nothing may be forwarded: wakes this VM and the others that may use
    /// the room.
    pub(super) fn wake_after_release(&mut self, now: Instant) {
        if self.requests.any_waits() {
            // The round that follows also looks at the others' claims.
            self.coordinator.wake_self();
        } else if self.coordinator.any_claims_elsewhere(now) {
            // As it was when the room was given back.
            let reading = self.coordinator.read();
            self.wake_claims(&reading, now);
        }
    }

    /// Lets a pod drain for the aged request of this VM, if there is one that may have that.
    /// Returns the pod's position.
    pub(super) fn reserve(&self, view: &mut View<'_>, reading: &Reading, now: Instant) -> Option<usize> {
        let (aged, since) = self.requests.aged(now)?;
        let may_reserve = self.coordinator.may_reserve(since, reading, now);
        if may_reserve { view.reserve_for(aged, now) } else { None }
    }

    /// Returns the claim of the most urgent request that waits for room here. Where that has aged,
    /// it says so even while another VM's request is the one that has a pod drained: this VM is
    /// woken for room that fits, and is the next to reserve.
    fn claim(&mut self, reading: &Reading, now: Instant) -> Option<Claim> {
        let head = self.requests.head(now)?;
        let mut claim = Claim::of(head, self.requests.urgency(head, now), now);
        claim.aged_since = self.requests.aged(now).map(|(_, since)| since);
        if claim.aged_since.is_some_and(|since| self.coordinator.may_reserve(since, reading, now)) {
            let pool = Rc::clone(&self.pool);
            let mut view = self.coordinator.newest_view(&pool, &self.requests, self.knowledge.latency_models(), now);
            let position = self.reserve(&mut view, reading, now);
            claim.reserved = position.and_then(|position| pool.pods().get(position)).map(|pod| pod.id);
        }
        Some(claim)
    }

    fn wake_claims(&mut self, reading: &Reading, now: Instant) {
        if !self.coordinator.any_claims(reading, now) {
            return;
        }
        let pool = Rc::clone(&self.pool);
        let mut view = self.coordinator.newest_view(&pool, &self.requests, self.knowledge.latency_models(), now);
        self.reserve(&mut view, reading, now);
        self.coordinator.wake_claims(reading, &mut view, now);
    }
}
