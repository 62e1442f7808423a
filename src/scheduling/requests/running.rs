//! Requests that run, and the sums of what they take.

use fnv::FnvHashMap;

use crate::scheduling::latency_model::PodObservation;
use crate::scheduling::load::Load;
use crate::scheduling::pod_load::{PodLoad, PodLoads};
use crate::scheduling::pool::{DeploymentId, PodId};
use crate::scheduling::prefix::PlacedPrompt;
use crate::scheduling::request::Arrival;
use crate::scheduling::run::Run;

/// A request that runs on a pod.
#[derive(Debug)]
pub struct RunningRequest {
    /// Arrival of the request, to charge it anew when profiles change.
    pub arrival: Arrival,
    /// Its pod.
    pub pod: PodId,
    /// The deployment that it is charged to.
    pub deployment: DeploymentId,
    /// The share of the pod that it takes.
    pub load: Load,
    /// Its run as policies may know it, where one may ask for it.
    pub seen: Option<Run>,
    /// Its pod as it has shown so far, where that is learned from.
    pub observation: Option<PodObservation>,
    /// Its prompt as the index of prefixes knows it, where there is one.
    pub prompt: Option<PlacedPrompt>,
    /// `true` where it shows whether a pod that failed is back.
    pub probe: bool,
}

/// Sums of what runs, by deployment.
#[derive(Debug, Default)]
pub(super) struct Charges(FnvHashMap<DeploymentId, PodLoads>);

// === impl Charges ===

impl Charges {
    pub(super) fn charge(&mut self, run: &RunningRequest) {
        self.on(run.deployment, run.pod).charge(run.load);
    }

    pub(super) fn release(&mut self, run: &RunningRequest) {
        let Some(loads) = self.0.get_mut(&run.deployment) else { return };
        let is_last = loads.get_mut(&run.pod).is_some_and(|sum| {
            sum.release(run.load);
            sum.count == 0
        });
        if is_last {
            loads.remove(&run.pod);
        }
    }

    /// Charges a request anew.
    pub(super) fn recharge(&mut self, run: &mut RunningRequest, load: Load) {
        let sum = self.on(run.deployment, run.pod);
        sum.release(run.load);
        sum.charge(load);
        run.load = load;
    }

    pub(super) fn of(&self, deployment: DeploymentId) -> Option<&PodLoads> {
        self.0.get(&deployment)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (DeploymentId, &PodLoads)> {
        self.0.iter().map(|(deployment, loads)| (*deployment, loads))
    }

    fn on(&mut self, deployment: DeploymentId, pod: PodId) -> &mut PodLoad {
        self.0.entry(deployment).or_default().entry(pod).or_default()
    }
}
