//! Exchange of load with the other VMs, as this one last read it: per-request in-flight state and
//! learned speeds, for policies that go by them.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use fnv::FnvHashMap;

use super::actions::SurveyedSpeed;
use super::coordinator::Coordinator;
use super::pod_runs::PodRuns;
use super::running::{Running, RunningRequest};
use crate::scheduling::latency_model::LatencyModels;
use crate::scheduling::pool::{PodId, Pool};
use crate::scheduling::request::RequestId;
use crate::scheduling::time::Instant;
use crate::scheduling::view::View;
use crate::shared::membership::{FencingToken, Membership};
use crate::shared::runs::{Placed, Runs};
use crate::shared::store::{Store, decode};

/// The least time between two writings of what runs, and between two readings.
pub(super) const EVERY: Duration = Duration::from_millis(20);

/// Requests of other VMs after which no more are read in one callback.
const READ_AT_ONCE: usize = 50;

/// Views within this time are of one callback.
const AT_ONCE: Duration = Duration::from_millis(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct LoadExchange {
    pub(super) latency_models: LatencyModels,
    pod_runs: PodRuns,
    /// By slot, so that all is looked at in the same order.
    others: BTreeMap<u8, OtherVm>,
    /// `true` where the others do not know yet what runs here.
    pub(super) is_untold: bool,
    pub(super) told_at: Option<Instant>,
    /// The pod that is looked at next, while the last look is not through.
    pub(super) watched: usize,
    pub(super) exchanged_at: Option<Instant>,
    /// Beginning of the callback that read last, and the requests of other VMs that it has read:
    /// that a view is made twice, since other VMs took the room first, must not tell more than
    /// once.
    reading: Option<(Instant, usize)>,
}

/// State that another VM has published.
#[derive(Debug)]
struct OtherVm {
    owner: FencingToken,
    version: u32,
    /// Instant of its last reading. For each by itself: a list of members that is taken from memory
    /// may lack some.
    read_at: Instant,
    placed: Vec<Placed>,
}

// === impl LoadExchange ===

impl LoadExchange {
    /// `learns`: whether what responses show corrects what profiles say.
    pub(super) fn new(learns: bool) -> Self {
        Self { latency_models: LatencyModels::new(learns), ..Self::default() }
    }

    /// Returns the speeds of the pool's deployments, those that are known.
    pub(super) fn speeds(&self, pool: &Pool) -> Vec<SurveyedSpeed> {
        let known = pool.deployments().iter().enumerate().filter_map(|(position, deployment)| {
            let latency_model = self.latency_models.of(deployment.id)?;
            let pods = pool.pods().iter().filter(|pod| pod.deployment == position);
            Some(SurveyedSpeed {
                deployment: deployment.name.clone(),
                of_profile: latency_model.of_prior(),
                slowest_pod: pods.map(|pod| latency_model.factor_of(pod.id)).fold(0.0, f64::max),
                error: latency_model.error(),
                is_relied_on: latency_model.is_good(),
            })
        });
        known.collect()
    }

    /// Something changed of what runs here.
    pub(super) fn note_change(&mut self) {
        self.is_untold = true;
    }

    /// A new pool is in force.
    pub(super) fn meet_pool(&mut self, pool: &Rc<Pool>, running: &Running) {
        self.latency_models.meet(pool);
        let own = running.seen().map(|(id, pod, _, run)| ((None, id), pod, run));
        let others = self.others.values().flat_map(|other| {
            other.placed.iter().map(|placed| ((Some(other.owner.slot), placed.id), placed.pod, &placed.run))
        });
        self.pod_runs = PodRuns::new(Rc::clone(pool), own.chain(others));
    }

    /// A request of this VM runs, or its answer went on.
    pub(super) fn runs(&mut self, id: RequestId, run: &RunningRequest) {
        if let Some(seen) = &run.seen {
            self.pod_runs.put((None, id), run.pod, seen);
        }
    }

    /// A request of this VM runs no longer.
    pub(super) fn ended(&mut self, id: RequestId, run: &RunningRequest) {
        self.pod_runs.take((None, id), run.pod);
    }

    /// Tells a view what runs on each pod, for a policy that goes by it. Returns the number of
    /// requests of other VMs that were read for it.
    pub(super) fn show<S: Store>(
        &mut self,
        view: &mut View<'_>,
        coordinator: &Coordinator<S>,
        membership: &Membership,
        now: Instant,
    ) -> usize {
        let own = coordinator.fence();
        let members: Vec<FencingToken> = membership.others(own, now).map(|member| member.fence).collect();
        let gone: Vec<u8> = self
            .others
            .values()
            .filter(|other| !members.contains(&other.owner))
            .map(|other| other.owner.slot)
            .collect();
        gone.into_iter().for_each(|slot| self.forget(slot));
        let read_at = |owner: &FencingToken| self.others.get(&owner.slot).map(|other| other.read_at);
        let mut due: Vec<FencingToken> =
            members.into_iter().filter(|owner| is_over(read_at(owner), EVERY, now)).collect();
        // What is left out is read next time: those that were read longest ago come first.
        due.sort_by_key(|owner| (read_at(owner), owner.slot));
        if self.reading.is_none_or(|(since, _)| now.since(since) >= AT_ONCE) {
            self.reading = Some((now, 0));
        }
        let before = self.reading.map_or(0, |(_, read)| read);
        let mut read = 0_usize;
        for owner in due {
            if before.saturating_add(read) >= READ_AT_ONCE {
                break;
            }
            let stored = coordinator.store().get(&coordinator.keys().runs(owner.slot));
            if let Some(other) = self.others.get_mut(&owner.slot).filter(|other| other.version == stored.version) {
                other.read_at = now;
                continue;
            }
            let runs: Runs = decode(&stored.bytes);
            let placed: Vec<Placed> = if runs.owner == Some(owner) { runs.into_placed().collect() } else { Vec::new() };
            read = read.saturating_add(placed.len());
            self.meet(owner, stored.version, placed, now);
        }
        self.reading = self.reading.map(|(since, _)| (since, before.saturating_add(read)));
        view.tell_runs(self.pod_runs.runs());
        read
    }

    /// Counts the requests that the other VMs have published.
    #[cfg(test)]
    pub(super) fn elsewhere(&self) -> usize {
        self.others.values().map(|other| other.placed.len()).sum()
    }

    fn forget(&mut self, slot: u8) {
        for placed in self.others.remove(&slot).into_iter().flat_map(|other| other.placed) {
            self.pod_runs.take((Some(slot), placed.id), placed.pod);
        }
    }

    /// Another VM told what it runs; prompts that came there since the last time stall its pods.
    fn meet(&mut self, owner: FencingToken, version: u32, placed: Vec<Placed>, now: Instant) {
        let slot = owner.slot;
        let before = self.others.remove(&slot).map(|other| other.placed).unwrap_or_default();
        let mut left: FnvHashMap<RequestId, PodId> = before.into_iter().map(|placed| (placed.id, placed.pod)).collect();
        for Placed { id, pod, deployment, run } in &placed {
            let known = left.remove(id);
            if let Some(elsewhere) = known.filter(|known| known != pod) {
                self.pod_runs.take((Some(slot), *id), elsewhere);
            }
            if known.is_none() {
                self.latency_models.came(run.prompt_tokens, (*pod, *deployment), now);
            }
            self.pod_runs.put((Some(slot), *id), *pod, run);
        }
        for (id, pod) in left {
            self.pod_runs.take((Some(slot), id), pod);
        }
        self.others.insert(slot, OtherVm { owner, version, read_at: now, placed });
    }
}

/// Returns `true` once so much time has passed.
pub(super) fn is_over(since: Option<Instant>, span: Duration, now: Instant) -> bool {
    since.is_none_or(|since| now.since(since) >= span)
}
