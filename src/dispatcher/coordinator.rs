//! This VM's place among the others: its membership, what it publishes, and how it wakes them.

use std::rc::Rc;

use super::reading::Reading;
use super::running::Running;
use crate::scheduling::pool::{DeploymentId, PodId, Pool};
use crate::scheduling::time::Instant;
use crate::shared::Keys;
use crate::shared::claim::Claim;
use crate::shared::health::Failing;
use crate::shared::ledger::Column;
use crate::shared::membership::{self as member, FencingToken, Generation, HEARTBEAT, Membership};
use crate::shared::peer_view::{Numbered, PeerView};
use crate::shared::pool_state::PoolState;
use crate::shared::state_cache::{self, StateCache};
use crate::shared::store::{self, Contended, Store};

/// See the module.
pub(super) struct Coordinator<S> {
    pool_state: StateCache<S>,
    keys: Keys,
    generation: Generation,
    has_replicas: bool,
    /// View of other gateways, and the number by which the pool's state called for it.
    peer_view: (u64, Option<Rc<PeerView>>),
    member: Option<OwnMembership>,
    published: Published,
}

#[derive(Clone, Copy, Debug)]
struct OwnMembership {
    fence: FencingToken,
    mailbox: Option<u32>,
    heartbeat: Instant,
}

/// Part of this VM's membership that tells of its queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Published {
    waiting: u32,
    claim: Option<Claim>,
}

// === impl Membership ===

impl<S: Store> Coordinator<S> {
    pub(super) fn new(store: S, keys: Keys, generation: Generation, has_replicas: bool) -> Self {
        let pool_state = StateCache::new(store, keys.pool_state());
        let peer_view = (0, None);
        Self { pool_state, keys, generation, has_replicas, peer_view, member: None, published: Published::default() }
    }

    /// Returns the fencing token of this VM's membership, once it is a member.
    pub(super) fn fence(&self) -> Option<FencingToken> {
        self.member.map(|member| member.fence)
    }

    /// Shared data itself.
    pub(super) fn store(&self) -> &S {
        self.pool_state.store()
    }

    /// The pool's names in it.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Reads what all VMs have published by now.
    pub(super) fn read(&mut self) -> Reading {
        let pool_state = self.pool_state.read();
        self.reading(pool_state)
    }

    /// Returns what they most likely have published: good for taking room, which shows whether they
    /// had.
    pub(super) fn recall(&mut self) -> Reading {
        let pool_state = self.pool_state.recall();
        self.reading(pool_state)
    }

    fn reading(&mut self, pool_state: Rc<PoolState>) -> Reading {
        if self.has_replicas && self.peer_view.0 != pool_state.peer_view {
            // It may be newer than the pool's state says; then it is read once more than needed.
            let (Numbered { number, peer_view }, _) = store::read(self.pool_state.store(), &self.keys.peer_view());
            self.peer_view = (pool_state.peer_view, (number != 0).then(|| Rc::new(peer_view)));
        }
        Reading {
            is_outdated: pool_state.membership.is_outdated(self.generation),
            peer_view: self.peer_view.1.clone(),
            number: self.pool_state.reading(),
            pool_state,
        }
    }

    /// Changes what all VMs know of other gateways.
    pub(super) fn change_outlook(&mut self, change: impl Fn(Option<&PeerView>) -> PeerView) {
        let changed = store::update(self.pool_state.store(), &self.keys.peer_view(), |known: &mut Numbered| {
            let before = (known.number != 0).then_some(&known.peer_view);
            let peer_view = change(before);
            (before != Some(&peer_view)).then(|| {
                let number = known.number.wrapping_add(1).max(1);
                *known = Numbered { number, peer_view };
                number
            })
        });
        // If either fails, the next look makes up for it.
        let Ok(Some(number)) = changed else { return };
        let _ = self
            .pool_state
            .update(|pool_state| (pool_state.peer_view != number).then(|| pool_state.peer_view = number));
    }

    /// Returns the members as this VM last read or wrote them.
    pub(super) fn known_membership(&self) -> &Membership {
        &self.pool_state.known().membership
    }

    /// Joins, unless it has: a request shows that this VM serves.
    pub(super) fn join(&mut self, pool: &Pool, running: &mut Running, now: Instant) {
        if self.member.is_some() {
            return;
        }
        let generation = self.generation;
        let joined = self.pool_state.update(|pool_state| {
            pool_state.drop_dead(now);
            pool_state.membership.note(generation);
            pool_state.membership.join(now)
        });
        let Ok(Some(fence)) = joined else { return };
        let mailbox = self.pool_state.store().open_mailbox(&self.keys.mailbox(fence.slot));
        self.member = Some(OwnMembership { fence, mailbox, heartbeat: now });
        self.change_member(|member| member.mailbox = mailbox);
        self.published = Published::default();
        self.publish_pool(pool);
        self.publish_columns(running);
    }

    /// Tells the roots of older configurations, which still drain, what pods there are now.
    pub(super) fn publish_pool(&mut self, pool: &Pool) {
        if self.member.is_none() {
            return;
        }
        let generation = self.generation;
        let pods: Vec<PodId> = pool.pods().iter().map(|pod| pod.id).collect();
        // If it fails, another VM has just written the same.
        let _ = self.pool_state.update(|pool_state| {
            if pool_state.membership.is_outdated(generation) {
                return None;
            }
            let shrank = pool_state.failing.keep_to(&pods);
            (shrank || pool_state.newest_pods != pods).then(|| pool_state.newest_pods.clone_from(&pods))
        });
    }

    /// Gives the membership up.
    pub(super) fn leave(&mut self) {
        let Some(member) = self.member.take() else { return };
        // If it fails, the membership falls silent and is dropped as a dead one.
        let _ = self.pool_state.update(|pool_state| {
            pool_state.leave(member.fence);
            Some(())
        });
    }

    /// Says that this VM lives, and drops those that do not. A VM that finds its own membership
    /// gone joins anew.
    pub(super) fn beat(&mut self, pool: &Pool, running: &mut Running, now: Instant) {
        let Some(member) = self.member.filter(|member| now.since(member.heartbeat) >= HEARTBEAT) else { return };
        let beat = self.pool_state.update(|pool_state| {
            pool_state.membership.member_mut(member.fence)?.heartbeat = now;
            pool_state.drop_dead(now);
            Some(())
        });
        match beat {
            Ok(Some(())) => self.member = Some(OwnMembership { heartbeat: now, ..member }),
            Ok(None) => {
                self.member = None;
                self.join(pool, running, now);
            }
            Err(Contended) => {}
        }
        if running.unpublished {
            self.publish_columns(running);
        }
    }

    /// Publishes what runs here on the pods of all deployments.
    pub(super) fn publish_columns(&mut self, running: &mut Running) {
        let Some(member) = self.member else { return };
        let written = self.pool_state.update(|pool_state| {
            let mut columns = running.columns();
            columns
                .all(|(deployment, column)| pool_state.publish(deployment, member.fence, column.clone()))
                .then_some(())
        });
        running.unpublished = written.is_err();
    }

    /// Publishes that a request on a pod of `deployment` ended, and what that showed of the pod:
    /// `note` says whether it changed anything.
    pub(super) fn release(
        &mut self,
        running: &mut Running,
        deployment: DeploymentId,
        note: impl Fn(&mut Failing) -> bool,
    ) {
        let fence = self.fence();
        let written = self.pool_state.update(|pool_state| {
            let noted = note(&mut pool_state.failing);
            let published =
                fence.is_some_and(|fence| pool_state.publish(deployment, fence, running.column(deployment)));
            (noted || published).then_some(())
        });
        running.unpublished |= written.is_err();
    }

    /// Takes room: publishes these columns if the pool's state still is as it was read, and takes
    /// the right to probe these pods.
    pub(super) fn take_room(
        &mut self,
        reading: state_cache::ReadingNumber,
        columns: Vec<(DeploymentId, Column)>,
        probed: &[PodId],
        now: Instant,
    ) -> Result<(), Contended> {
        let fence = self.fence();
        if fence.is_none() && probed.is_empty() {
            // All 256 slots are taken: there is nothing to publish under; the VM goes on by what it
            // reads.
            return Ok(());
        }
        let taken = self.pool_state.update_as_read(reading, |pool_state| {
            let probes = probed.iter().all(|pod| pool_state.failing.begin_probe(*pod, now));
            let publish =
                |fence| columns.into_iter().all(|(deployment, column)| pool_state.publish(deployment, fence, column));
            (probes && fence.is_none_or(publish)).then_some(())
        });
        // `None`: the membership is gone. The next heartbeat, which is due, joins anew.
        taken?.ok_or(Contended)
    }

    /// Tells the other VMs how many requests wait here and what the most urgent needs, if that
    /// changed. It also says that this VM has looked, if it was woken.
    pub(super) fn publish_queue(&mut self, waiting: u32, claim: Option<Claim>, membership: &Membership) {
        let Some(member) = self.member else { return };
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
    pub(super) fn wake_self(&self) {
        if let Some(mailbox) = self.member.and_then(|member| member.mailbox) {
            self.pool_state.store().send(mailbox);
        }
    }

    /// Wakes another VM for its claim. `false`: it need not be waited for, since it was woken and
    /// did not look.
    pub(super) fn wake(&mut self, member: &member::Member, now: Instant) -> bool {
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

    fn change_member(&mut self, mut change: impl FnMut(&mut member::Member)) -> bool {
        let Some(own) = self.member else { return false };
        let changed = self.pool_state.update(|pool_state| pool_state.membership.member_mut(own.fence).map(&mut change));
        changed == Ok(Some(()))
    }
}
