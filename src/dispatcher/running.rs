//! This VM's table of what it has placed: the truth that its columns on the pool's state repeat.

use std::collections::BTreeMap;
use std::ops::Bound;

use fnv::FnvHashMap;

use crate::scheduling;
use crate::scheduling::load::Load;
use crate::scheduling::pool::{DeploymentId, PodId};
use crate::scheduling::request::{Arrival, RequestId};
use crate::shared::ledger::Column;

/// Requests that run, and their sums.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// In their order, which is that of sums over them in all VMs and simulations.
    runs: BTreeMap<RequestId, RunningRequest>,
    columns: FnvHashMap<DeploymentId, Column>,
    /// `true` where the last change could not be written to the pool's state.
    pub(super) unpublished: bool,
}

/// A request that runs on a pod.
#[derive(Clone, Debug)]
pub(super) struct RunningRequest {
    pub(super) pod: PodId,
    pub(super) deployment: DeploymentId,
    pub(super) load: Load,
    /// Arrival of the request, to charge it anew when profiles change.
    pub(super) arrival: Arrival,
    /// As policies may know it, where one may ask for it.
    pub(super) seen: Option<scheduling::run::Run>,
    /// It shows whether a pod that failed is back.
    pub(super) probe: bool,
}

// === impl Running ===

impl Running {
    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = RequestId> + '_ {
        self.runs.keys().copied()
    }

    pub(super) fn insert(&mut self, id: RequestId, run: RunningRequest) {
        let column = self.columns.entry(run.deployment).or_default();
        column.entry(run.pod).or_default().charge(run.load);
        self.runs.insert(id, run);
    }

    pub(super) fn remove(&mut self, id: RequestId) -> Option<RunningRequest> {
        let run = self.runs.remove(&id)?;
        if let Some(column) = self.columns.get_mut(&run.deployment) {
            let is_last = column.get_mut(&run.pod).is_some_and(|entry| {
                entry.release(run.load);
                entry.count == 0
            });
            if is_last {
                column.remove(&run.pod);
            }
        }
        Some(run)
    }

    pub(super) fn get_mut(&mut self, id: RequestId) -> Option<&mut RunningRequest> {
        self.runs.get_mut(&id)
    }

    /// Returns what runs here as policies may know it, and where.
    pub(super) fn seen(&self) -> impl Iterator<Item = (RequestId, PodId, DeploymentId, &scheduling::run::Run)> {
        self.runs.iter().filter_map(|(id, run)| Some((*id, run.pod, run.deployment, run.seen.as_ref()?)))
    }

    /// Returns a run by its request.
    pub(super) fn get(&self, id: RequestId) -> Option<&RunningRequest> {
        self.runs.get(&id)
    }

    /// Charges some of what runs anew, from the request after `last` on. Says which came last, if
    /// more is left.
    pub(super) fn recharge(
        &mut self,
        last: Option<RequestId>,
        most: usize,
        load: impl Fn(&RunningRequest) -> Load,
    ) -> Option<RequestId> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.runs.range_mut((from, Bound::Unbounded));
        let mut last = None;
        for (id, run) in rest.by_ref().take(most) {
            let entry = self.columns.entry(run.deployment).or_default().entry(run.pod).or_default();
            entry.release(run.load);
            run.load = load(run);
            entry.charge(run.load);
            last = Some(*id);
        }
        rest.next().and(last)
    }

    /// Returns the load of what runs here on the pods of a deployment.
    pub(super) fn column(&self, deployment: DeploymentId) -> Column {
        self.columns.get(&deployment).cloned().unwrap_or_default()
    }

    /// Returns the load of what runs here, by deployment.
    pub(super) fn columns(&self) -> impl Iterator<Item = (DeploymentId, &Column)> {
        self.columns.iter().map(|(deployment, column)| (*deployment, column))
    }
}
