//! Telling the other VMs what waits here, and waking those whose claims fit the room that there is.

use std::rc::Rc;

use super::Dispatcher;
use crate::scheduling::request::Request;
use crate::scheduling::time::Instant;
use crate::shared::claim::Claim;
use crate::shared::membership::Membership;
use crate::shared::store::Store;

impl<S: Store> Dispatcher<S> {
    /// After a round, which has read `membership`: publishes what is left in the queue, and wakes
    /// VMs for which there is room left.
    pub(super) fn tell_others(&mut self, membership: &Membership, now: Instant) {
        let waiting = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        let claim = self.claim(membership, now);
        self.coordinator.publish_queue(waiting, claim, membership);
        self.wake_claims(membership, now);
    }

    /// Asks for a turn of this VM's own: [`look_again`](Self::look_again) is called from a flat
    /// stack, soon.
    pub fn ask_for_a_turn(&mut self, now: Instant) {
        self.coordinator.join(&self.pool, &mut self.running, now);
        self.coordinator.wake_self();
    }

    /// After a release, where nothing may be forwarded: wakes this VM and the others that may use
    /// the room.
    pub(super) fn wake_after_release(&mut self, now: Instant) {
        if !self.queue.is_empty() {
            // The round that follows also looks at the others' claims.
            self.coordinator.wake_self();
            return;
        }
        // As it was when the room was given back.
        if self
            .coordinator
            .known_membership()
            .others(self.coordinator.fence(), now)
            .any(|member| member.claim.is_some())
        {
            let reading = self.coordinator.read();
            self.wake_claims(&reading.pool_state.membership, now);
        }
    }

    /// Returns `true` if the aged request of this VM may have a pod drained: of all VMs only the
    /// one that aged first, so that requests that waited too long never take more than one pod from
    /// those that still can be in time.
    pub(super) fn may_reserve(&self, (_, since): (&Request, Instant), membership: &Membership, now: Instant) -> bool {
        let own = self.coordinator.fence();
        membership
            .others(own, now)
            .filter_map(|member| Some((member.claim.as_ref()?.aged_since?, member.fence.slot)))
            .all(|other| own.is_some_and(|own| (since, own.slot) < other))
    }

    /// The claim of the most urgent request that waits for room here. Where that has aged, it says
    /// so even while another VM's request is the one that has a pod drained: this VM is woken for
    /// room that fits, and is the next to reserve.
    fn claim(&mut self, membership: &Membership, now: Instant) -> Option<Claim> {
        let aged = self.queue.aged(now);
        let head = self.queue.head(now)?;
        let mut claim = Claim::of(head, self.queue.urgency(head, now), now);
        claim.aged_since = aged.map(|(_, since)| since);
        if let Some((request, _)) = aged.filter(|aged| self.may_reserve(*aged, membership, now)) {
            let reading = self.coordinator.read();
            let mut view = reading.view(
                &self.pool,
                self.coordinator.fence(),
                &self.running,
                (&mut self.tally, &self.load_exchange.latency_models),
                now,
            );
            let position = view.reserve_for(request, now);
            claim.reserved = position.and_then(|position| self.pool.pods().get(position)).map(|pod| pod.id);
        }
        Some(claim)
    }

    fn wake_claims(&mut self, membership: &Membership, now: Instant) {
        let fence = self.coordinator.fence();
        let mut claims: Vec<_> = membership
            .others(fence, now)
            .filter_map(|member| member.claim.as_ref().map(|claim| (claim, member)))
            .collect();
        if claims.is_empty() {
            return;
        }
        claims.sort_by_key(|(claim, member)| (claim.urgency, member.fence.slot));
        let pool = Rc::clone(&self.pool);
        let mut view = self.coordinator.read().view(
            &pool,
            fence,
            &self.running,
            (&mut self.tally, &self.load_exchange.latency_models),
            now,
        );
        if let Some((aged, _)) = self.queue.aged(now).filter(|aged| self.may_reserve(*aged, membership, now)) {
            view.reserve_for(aged, now);
        }
        for (claim, member) in claims {
            if let Some((pod, load)) = claim.fits(&view) {
                view.place(pod, load);
                self.coordinator.wake(member, now);
            }
        }
    }
}
