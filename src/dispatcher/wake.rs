//! Telling the other VMs what waits here, and waking those whose claims fit the room that there is.

use std::rc::Rc;

use super::Dispatcher;
use crate::scheduling::request::Request;
use crate::scheduling::time::Instant;
use crate::shared::claim::Claim;
use crate::shared::directory::Directory;
use crate::shared::store::Store;

impl<S: Store> Dispatcher<S> {
    /// After a round, which has read `directory`: publishes what is left in the queue, and wakes
    /// VMs for which there is room left.
    pub(super) fn tell_others(&mut self, directory: &Directory, now: Instant) {
        let waiting = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        let claim = self.claim(directory, now);
        self.membership.publish_queue(waiting, claim, directory);
        self.wake_claims(directory, now);
    }

    /// Asks for a turn of this VM's own: [`look_again`](Self::look_again) is called from a flat
    /// stack, soon.
    pub fn ask_for_a_turn(&mut self, now: Instant) {
        self.membership.join(&self.pool, &mut self.running, now);
        self.membership.wake_self();
    }

    /// After a release, where nothing may be forwarded: wakes this VM and the others that may use
    /// the room.
    pub(super) fn wake_after_release(&mut self, now: Instant) {
        if !self.queue.is_empty() {
            // The round that follows also looks at the others' claims.
            self.membership.wake_self();
            return;
        }
        // As it was when the room was given back.
        if self.membership.known_directory().others(self.membership.ticket(), now).any(|seat| seat.claim.is_some()) {
            let reading = self.membership.read();
            self.wake_claims(&reading.pool_state.directory, now);
        }
    }

    /// Returns `true` if the aged request of this VM may have a pod drained: of all VMs only the
    /// one that aged first, so that requests that waited too long never take more than one pod from
    /// those that still can be in time.
    pub(super) fn may_reserve(&self, (_, since): (&Request, Instant), directory: &Directory, now: Instant) -> bool {
        let own = self.membership.ticket();
        directory
            .others(own, now)
            .filter_map(|seat| Some((seat.claim.as_ref()?.aged_since?, seat.ticket.slot)))
            .all(|other| own.is_some_and(|own| (since, own.slot) < other))
    }

    /// The claim of the most urgent request that waits for room here. Where that has aged, it says
    /// so even while another VM's request is the one that has a pod drained: this VM is woken for
    /// room that fits, and is the next to reserve.
    fn claim(&mut self, directory: &Directory, now: Instant) -> Option<Claim> {
        let aged = self.queue.aged(now);
        let head = self.queue.head(now)?;
        let mut claim = Claim::of(head, self.queue.urgency(head, now), now);
        claim.aged_since = aged.map(|(_, since)| since);
        if let Some((request, _)) = aged.filter(|aged| self.may_reserve(*aged, directory, now)) {
            let reading = self.membership.read();
            let mut view = reading.view(
                &self.pool,
                self.membership.ticket(),
                &self.running,
                (&mut self.tally, &self.load_exchange.speeds),
                now,
            );
            let position = view.reserve_for(request, now);
            claim.reserved = position.and_then(|position| self.pool.pods().get(position)).map(|pod| pod.id);
        }
        Some(claim)
    }

    fn wake_claims(&mut self, directory: &Directory, now: Instant) {
        let ticket = self.membership.ticket();
        let mut claims: Vec<_> =
            directory.others(ticket, now).filter_map(|seat| seat.claim.as_ref().map(|claim| (claim, seat))).collect();
        if claims.is_empty() {
            return;
        }
        claims.sort_by_key(|(claim, seat)| (claim.urgency, seat.ticket.slot));
        let pool = Rc::clone(&self.pool);
        let mut view = self.membership.read().view(
            &pool,
            ticket,
            &self.running,
            (&mut self.tally, &self.load_exchange.speeds),
            now,
        );
        if let Some((aged, _)) = self.queue.aged(now).filter(|aged| self.may_reserve(*aged, directory, now)) {
            view.reserve_for(aged, now);
        }
        for (claim, seat) in claims {
            if let Some((pod, load)) = claim.fits(&view) {
                view.place(pod, load);
                self.membership.wake(seat, now);
            }
        }
    }
}
