//! The pool's state: the one value that the VMs of a pool share. It holds their memberships and
//! claims, the load of each pod, and the pods that fail.
//!
//! It is one value because what a placement reads and writes must agree: one compare-and-swap then
//! takes room, and shows that no claim, no membership and no verdict on a pod changed meanwhile. It
//! grows with the pods that are busy and the VMs that keep them so.

use serde::{Deserialize, Serialize};

use super::claim::Claim;
use super::health::Failing;
use super::ledger::Ledger;
use super::membership::{FencingToken, Membership};
use crate::scheduling::pod_load::PodLoads;
use crate::scheduling::pool::{DeploymentId, PodId};
use crate::scheduling::time::Instant;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolState {
    /// The VMs, with what waits there.
    pub membership: Membership,
    /// Pods that fail.
    pub failing: Failing,
    /// The number of the [view](super::peer_view) on other gateways that is in force; 0 where
    /// there is none yet.
    pub peer_view: u64,
    /// The pods of the newest configuration.
    pub newest_pods: Vec<PodId>,
    /// Load by deployment and VM; a deployment on which nothing runs has no ledger.
    ledgers: Vec<(DeploymentId, Ledger)>,
}

// === impl PoolState ===

impl PoolState {
    /// The most urgent of what waits in the VMs that live.
    pub fn most_urgent_claim(&self, now: Instant) -> Option<&Claim> {
        let claims = self.membership.others(None, now).filter_map(|member| member.claim.as_ref());
        claims.min_by_key(|claim| claim.urgency)
    }

    /// Returns the columns of the VMs that `counts` admits, each with its deployment.
    pub fn columns_of(&self, counts: impl Fn(FencingToken) -> bool) -> impl Iterator<Item = (DeploymentId, &PodLoads)> {
        let columns = self.ledgers.iter().flat_map(|(id, ledger)| ledger.columns().map(|column| (*id, column)));
        columns.filter(move |(_, (fence, _))| counts(*fence)).map(|(id, (_, column))| (id, column))
    }

    /// Returns the load of each pod, summed over all VMs that live.
    pub fn running(&self, now: Instant) -> PodLoads {
        let mut sum = PodLoads::new();
        for (_, column) in self.columns_of(|fence| self.membership.lives(fence, now)) {
            for (pod, entry) in column {
                sum.entry(*pod).or_default().add(*entry);
            }
        }
        sum
    }

    /// Replaces what the VM with this fencing token runs on the pods of a deployment. `false`: it
    /// is no member (any more).
    pub fn publish(&mut self, deployment: DeploymentId, fence: FencingToken, column: PodLoads) -> bool {
        if self.membership.member(fence).is_none() {
            return false;
        }
        let known = self.ledgers.iter().position(|(id, _)| *id == deployment);
        match known.and_then(|position| self.ledgers.get_mut(position)) {
            Some((_, ledger)) => ledger.publish(fence, column),
            None => {
                let mut ledger = Ledger::default();
                ledger.publish(fence, column);
                self.ledgers.push((deployment, ledger));
            }
        }
        self.ledgers.retain(|(_, ledger)| !ledger.is_empty());
        true
    }

    /// Removes VMs that fell silent, and what they ran.
    pub fn drop_dead(&mut self, now: Instant) {
        if self.membership.drop_dead(now) > 0 {
            self.drop_columns();
        }
    }

    /// Removes a VM that goes, and what it ran.
    pub fn leave(&mut self, fence: FencingToken) {
        self.membership.leave(fence);
        self.drop_columns();
    }

    fn drop_columns(&mut self) {
        let membership = &self.membership;
        for (_, ledger) in &mut self.ledgers {
            ledger.retain(|fence| membership.member(fence).is_some());
        }
        self.ledgers.retain(|(_, ledger)| !ledger.is_empty());
    }
}
