//! What all VMs have published, as read for one round of a pass.

use std::collections::BTreeMap;

use super::membership::Membership;
use crate::scheduling::pool::{Deployment, PodId, Pool};
use crate::scheduling::time::Instant;
use crate::scheduling::view::{Health, PodState, View};
use crate::shared::directory::{Directory, Ticket};
use crate::shared::health::Failing;
use crate::shared::ledger::{Column, Ledger};
use crate::shared::store::{self, Store};

/// See the module.
pub(super) struct Reading {
    pub(super) directory: Directory,
    pub(super) failing: Failing,
    /// Set while a newer configuration is in force: the only pods that take new work.
    open: Option<Vec<PodId>>,
    /// By position of the deployment in the pool.
    ledgers: BTreeMap<usize, (Ledger, u32)>,
}

// === impl Reading ===

impl Reading {
    /// Reads what concerns the deployments at these positions of the pool.
    pub(super) fn take<S: Store>(
        membership: &Membership<S>,
        pool: &Pool,
        deployments: impl Iterator<Item = usize>,
        now: Instant,
    ) -> Self {
        let mut ledgers = BTreeMap::new();
        for position in deployments {
            let Some(deployment) = pool.deployments().get(position) else { continue };
            ledgers
                .entry(position)
                .or_insert_with(|| store::read::<Ledger>(&membership.store, &membership.keys.ledger(&deployment.name)));
        }
        // Read after the ledgers: a VM takes its seat before it publishes, so every living VM's column is kept.
        let directory = membership.directory();
        for (ledger, _) in ledgers.values_mut() {
            ledger.retain(|ticket| directory.lives(ticket, now));
        }
        let (failing, _) = store::read(&membership.store, membership.keys.health());
        let open = membership.newer_pods(&directory);
        Self { directory, failing, open, ledgers }
    }

    /// The pool with the states of its pods: what other VMs published, and `own` columns.
    pub(super) fn view<'a>(
        &self,
        pool: &'a Pool,
        ticket: Option<Ticket>,
        own: impl Fn(&Deployment) -> Column,
        now: Instant,
    ) -> View<'a> {
        let mut sums: BTreeMap<usize, Column> = BTreeMap::new();
        for (position, (ledger, _)) in &self.ledgers {
            let mut sum = pool.deployments().get(*position).map(&own).unwrap_or_default();
            for (pod, entry) in ledger.sum_without(ticket) {
                sum.entry(pod).or_default().add(entry);
            }
            sums.insert(*position, sum);
        }
        let reserved: Vec<_> = self
            .directory
            .others(ticket, now)
            .filter_map(|seat| seat.claim.as_ref().and_then(|claim| claim.reserved))
            .collect();
        let states = pool.pods().iter().map(|pod| {
            let entry = sums.get(&pod.deployment).and_then(|sum| sum.get(&pod.id)).copied().unwrap_or_default();
            PodState {
                load: entry.load(),
                in_flight: entry.count,
                health: self.health(pod.id, now),
                reserved: reserved.contains(&pod.id),
            }
        });
        View::new(pool, states.collect())
    }

    fn health(&self, pod: PodId, now: Instant) -> Health {
        if self.open.as_ref().is_some_and(|open| !open.contains(&pod)) {
            return Health::Out;
        }
        self.failing.health(pod, now)
    }

    /// A deployment's ledger and its version, as read; once.
    pub(super) fn take_ledger(&mut self, position: usize) -> Option<(Ledger, u32)> {
        self.ledgers.remove(&position)
    }
}
