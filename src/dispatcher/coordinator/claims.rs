//! Claims: this VM's own, those of other VMs and of other gateways, and giving way to them.

use super::claimant::Claimant;
use super::reading::Reading;
use super::{Coordinator, Published};
use crate::scheduling::time::Instant;
use crate::scheduling::view::View;
use crate::shared::claim::Claim;
use crate::shared::membership::{Member, Membership};
use crate::shared::store::Store;

// === impl Coordinator ===

impl<S: Store> Coordinator<S> {
    /// Returns the claims of all others, the most urgent first.
    pub(in crate::dispatcher) fn claims<'r>(
        &self,
        reading: &'r Reading,
        now: Instant,
    ) -> Vec<(&'r Claim, Claimant<'r>)> {
        let others = reading.membership().others(self.fence(), now);
        let mut claims: Vec<(&Claim, Claimant<'_>)> =
            others.filter_map(|member| member.claim.as_ref().map(|claim| (claim, Claimant::Vm(member)))).collect();
        claims.extend(reading.wanted(now).iter().map(|wanted| (&wanted.claim, Claimant::Gateway(wanted.name))));
        claims.sort_by_key(|(claim, claimant)| (claim.urgency, claimant.order()));
        claims
    }

    /// Returns `true` if another VM has a claim.
    pub(in crate::dispatcher) fn any_claims(&self, reading: &Reading, now: Instant) -> bool {
        reading.membership().others(self.fence(), now).any(|member| member.claim.is_some())
    }

    /// Returns `true` if a request of this VM that aged then may have a pod drained: of all VMs
    /// only the one that aged first, so that requests that waited too long never take more than one
    /// pod from those that still can be in time.
    pub(in crate::dispatcher) fn may_reserve(&self, since: Instant, reading: &Reading, now: Instant) -> bool {
        let own = self.fence();
        reading
            .membership()
            .others(own, now)
            .filter_map(|member| Some((member.claim.as_ref()?.aged_since?, member.fence.slot)))
            .all(|other| own.is_some_and(|own| (since, own.slot) < other))
    }

    /// Returns `true` if this VM is to leave room to a claim; wakes its owner, if so.
    pub(in crate::dispatcher) fn gives_way(&mut self, claim: &Claim, claimant: Claimant<'_>, now: Instant) -> bool {
        match claimant {
            Claimant::Vm(member) => {
                self.local_back_off.grants(member.fence, claim.urgency, now) && self.wake(member, now)
            }
            Claimant::Gateway(name) => self.peer_back_off.grants(name, now),
        }
    }

    /// Wakes the other VMs whose claims fit the room that a view shows, the most urgent first, as
    /// far as there is room for all of them.
    pub(in crate::dispatcher) fn wake_claims(&mut self, reading: &Reading, view: &mut View<'_>, now: Instant) {
        let others = reading.membership().others(self.fence(), now);
        let mut claims: Vec<_> =
            others.filter_map(|member| member.claim.as_ref().map(|claim| (claim, member))).collect();
        claims.sort_by_key(|(claim, member)| (claim.urgency, member.fence.slot));
        for (claim, member) in claims {
            if let Some((pod, load)) = claim.fits(view) {
                view.place(pod, load);
                self.wake(member, now);
            }
        }
    }

    /// Returns the number of requests that wait in other VMs, as far as is known.
    pub(in crate::dispatcher) fn waiting_elsewhere(&self, now: Instant) -> u32 {
        self.known_membership().waiting_elsewhere(self.fence(), now)
    }

    /// Returns `true` if a request is known to wait in another VM.
    pub(in crate::dispatcher) fn any_claims_elsewhere(&self, now: Instant) -> bool {
        self.known_membership().others(self.fence(), now).any(|member| member.claim.is_some())
    }

    /// Tells the other VMs how many requests wait here and what the most urgent needs, if that
    /// changed. It also says that this VM has looked, if it was woken.
    pub(in crate::dispatcher) fn publish_queue(&mut self, waiting: u32, claim: Option<Claim>, membership: &Membership) {
        let Some(member) = self.own else { return };
        let published = Published { waiting, claim };
        let was_woken = membership.member(member.fence).is_some_and(|member| member.woken.is_some());
        if published == self.published && !was_woken {
            return;
        }
        let changed = self.change_member(|member| {
            member.waiting = published.waiting;
            member.claim.clone_from(&published.claim);
            member.woken = None;
        });
        if changed {
            self.published = published;
        }
    }

    /// Asks this VM to look again from a flat stack.
    pub(in crate::dispatcher) fn wake_self(&self) {
        if let Some(mailbox) = self.own.and_then(|member| member.mailbox) {
            self.pool_state.store().send(mailbox);
        }
    }

    /// Wakes another VM for its claim. `false`: it need not be waited for, since it was woken and
    /// did not look.
    pub(in crate::dispatcher) fn wake(&mut self, member: &Member, now: Instant) -> bool {
        if !member.may_be_woken(now) {
            return member.is_yielded_to(now);
        }
        let fence = member.fence;
        let woken = self.pool_state.update(|pool_state| {
            let member = pool_state.membership.member_mut(fence).filter(|member| member.may_be_woken(now))?;
            member.woken = Some(now);
            member.mailbox
        });
        if let Ok(Some(mailbox)) = woken {
            self.pool_state.store().send(mailbox);
        }
        true
    }
}
