//! This VM's table of what it has placed: the truth that its columns in the ledgers repeat.

use std::collections::HashSet;

use fnv::FnvHashMap;

use crate::scheduling;
use crate::scheduling::deployment::DeploymentName;
use crate::scheduling::load::Load;
use crate::scheduling::pool::PodId;
use crate::scheduling::request::{Arrival, RequestId};
use crate::shared::ledger::Column;

/// Requests that run, and their sums.
#[derive(Debug, Default)]
pub(super) struct Running {
    runs: FnvHashMap<RequestId, Run>,
    columns: FnvHashMap<DeploymentName, Column>,
    unpublished: HashSet<DeploymentName>,
}

/// A request that runs on a pod.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) pod: PodId,
    pub(super) deployment: DeploymentName,
    pub(super) load: Load,
    /// What came, to charge it anew when profiles change.
    pub(super) arrival: Arrival,
    /// As policies may know it; only what is placed while one asks for it.
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
        let column = self.columns.entry(run.deployment.clone()).or_default();
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

    /// What runs on each pod of the pool, as policies may know it.
    pub(super) fn by_pod(&self, pool: &scheduling::pool::Pool) -> Vec<Vec<scheduling::run::Run>> {
        let mut by_pod = vec![Vec::new(); pool.pods().len()];
        for run in self.runs.values() {
            let position = pool.pods().iter().position(|pod| pod.id == run.pod);
            if let Some(runs) = position.and_then(|position| by_pod.get_mut(position)) {
                runs.extend(run.seen.clone());
            }
        }
        by_pod
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
            let column = self.columns.entry(run.deployment.clone()).or_default();
            column.entry(run.pod).or_default().charge(run.load);
        }
    }

    /// What runs here on the pods of a deployment.
    pub(super) fn column(&self, deployment: &DeploymentName) -> Column {
        self.columns.get(deployment).cloned().unwrap_or_default()
    }

    /// The deployments on which something ran.
    pub(super) fn deployments(&self) -> Vec<DeploymentName> {
        self.columns.keys().cloned().collect()
    }

    /// Notes whether the ledger of a deployment says what its column says.
    pub(super) fn set_published(&mut self, deployment: &DeploymentName, published: bool) {
        if published {
            self.unpublished.remove(deployment);
        } else {
            self.unpublished.insert(deployment.clone());
        }
    }

    /// Whether a ledger could not be written.
    pub(super) fn has_unpublished(&self) -> bool {
        !self.unpublished.is_empty()
    }
}
