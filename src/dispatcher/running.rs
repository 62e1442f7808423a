//! This VM's table of what it has placed: the truth that its columns on the board repeat.

use std::collections::BTreeMap;

use fnv::FnvHashMap;

use crate::scheduling;
use crate::scheduling::load::Load;
use crate::scheduling::pool::{DeploymentId, PodId};
use crate::scheduling::request::{Arrival, RequestId};
use crate::shared::ledger::{Column, Entry};

/// Requests that run, and their sums.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// In their order, which is that of sums over them in all VMs and simulations.
    runs: BTreeMap<RequestId, Run>,
    columns: FnvHashMap<DeploymentId, Column>,
    /// Whether the board could not be told of the last change.
    pub(super) unpublished: bool,
}

/// A request that runs on a pod.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) pod: PodId,
    pub(super) deployment: DeploymentId,
    pub(super) load: Load,
    /// What came, to charge it anew when profiles change.
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

    pub(super) fn insert(&mut self, id: RequestId, run: Run) {
        let column = self.columns.entry(run.deployment).or_default();
        column.entry(run.pod).or_default().charge(run.load);
        self.runs.insert(id, run);
    }

    pub(super) fn remove(&mut self, id: RequestId) -> Option<Run> {
        let run = self.runs.remove(&id)?;
        if let Some(column) = self.columns.get_mut(&run.deployment) {
            if let Some(entry) = column.get_mut(&run.pod) {
                entry.release(run.load);
            }
            column.retain(|_, entry| entry.count > 0);
        }
        Some(run)
    }

    pub(super) fn get_mut(&mut self, id: RequestId) -> Option<&mut Run> {
        self.runs.get_mut(&id)
    }

    /// What runs here as policies may know it, and where.
    pub(super) fn seen(&self) -> impl Iterator<Item = (RequestId, PodId, DeploymentId, &scheduling::run::Run)> {
        self.runs.iter().filter_map(|(id, run)| Some((*id, run.pod, run.deployment, run.seen.as_ref()?)))
    }

    /// What runs, by request.
    pub(super) fn get(&self, id: RequestId) -> Option<&Run> {
        self.runs.get(&id)
    }

    /// Charges what runs anew.
    pub(super) fn recharge(&mut self, load: impl Fn(&Run) -> Load) {
        self.columns.values_mut().for_each(Column::clear);
        for run in self.runs.values_mut() {
            run.load = load(run);
            let column = self.columns.entry(run.deployment).or_default();
            column.entry(run.pod).or_default().charge(run.load);
        }
    }

    /// What runs here on the pods of a deployment.
    pub(super) fn column(&self, deployment: DeploymentId) -> Column {
        self.columns.get(&deployment).cloned().unwrap_or_default()
    }

    /// What runs here on one pod.
    pub(super) fn on(&self, deployment: DeploymentId, pod: PodId) -> Entry {
        self.columns.get(&deployment).and_then(|column| column.get(&pod)).copied().unwrap_or_default()
    }

    /// What runs here, by deployment.
    pub(super) fn columns(&self) -> impl Iterator<Item = (DeploymentId, &Column)> {
        self.columns.iter().map(|(deployment, column)| (*deployment, column))
    }
}
