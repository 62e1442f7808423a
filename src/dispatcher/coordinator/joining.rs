//! Membership of this VM, and what it publishes as a member.

use super::{Coordinator, OwnMembership, Published};
use crate::scheduling::pool::{PodId, Pool};
use crate::scheduling::requests::Requests;
use crate::scheduling::time::Instant;
use crate::shared::membership::{HEARTBEAT, Member};
use crate::shared::store::{Contended, Store};

impl<S: Store> Coordinator<S> {
    /// Joins, unless it has: a request shows that this VM serves.
    pub(in crate::dispatcher) fn join(&mut self, pool: &Pool, requests: &Requests, now: Instant) {
        if self.own.is_some() {
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
        self.own = Some(OwnMembership { fence, mailbox, heartbeat: now });
        self.change_member(|member| member.mailbox = mailbox);
        self.published = Published::default();
        self.publish_pool(pool);
        self.publish_loads(requests);
    }

    /// Tells the roots of older configurations, which still drain, what pods there are now.
    pub(in crate::dispatcher) fn publish_pool(&mut self, pool: &Pool) {
        if self.own.is_none() {
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
    pub(in crate::dispatcher) fn leave(&mut self) {
        let Some(member) = self.own.take() else { return };
        // If it fails, the membership falls silent and is dropped as a dead one.
        let _ = self.pool_state.update(|pool_state| {
            pool_state.leave(member.fence);
            Some(())
        });
    }

    /// Says that this VM lives, and drops those that do not. A VM that finds its own membership
    /// gone joins anew.
    pub(in crate::dispatcher) fn beat(&mut self, pool: &Pool, requests: &Requests, now: Instant) {
        let Some(member) = self.own.filter(|member| now.since(member.heartbeat) >= HEARTBEAT) else { return };
        let beat = self.pool_state.update(|pool_state| {
            pool_state.membership.member_mut(member.fence)?.heartbeat = now;
            pool_state.drop_dead(now);
            Some(())
        });
        match beat {
            Ok(Some(())) => self.own = Some(OwnMembership { heartbeat: now, ..member }),
            Ok(None) => {
                self.own = None;
                self.join(pool, requests, now);
            }
            Err(Contended) => {}
        }
        if self.is_unpublished {
            self.publish_loads(requests);
        }
    }

    /// Publishes what runs here on the pods of all deployments.
    pub(in crate::dispatcher) fn publish_loads(&mut self, requests: &Requests) {
        let Some(member) = self.own else { return };
        let written = self.pool_state.update(|pool_state| {
            let mut columns = requests.loads();
            columns
                .all(|(deployment, column)| pool_state.publish(deployment, member.fence, column.clone()))
                .then_some(())
        });
        self.is_unpublished = written.is_err();
    }

    pub(super) fn change_member(&mut self, mut change: impl FnMut(&mut Member)) -> bool {
        let Some(own) = self.own else { return false };
        let changed = self.pool_state.update(|pool_state| pool_state.membership.member_mut(own.fence).map(&mut change));
        changed == Ok(Some(()))
    }
}
