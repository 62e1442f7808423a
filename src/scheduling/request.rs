//! What the scheduler knows of a request, assessed once at arrival and again when the pool changes.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use fnv::FnvHasher;
use serde::{Deserialize, Serialize};

use super::load::Load;
use super::policies::PolicyName;
use super::pool::{Deployment, DeploymentId, Model, Pod, Pool};
use super::prediction::OutputLengths;
use super::run::{Progress, Run};
use super::shape::Shape;
use super::slo::{Slo, latest_start};
use super::subset::Subset;
use super::time::Instant;

/// A request within one VM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u32);

/// What keeping the objective of a request is worth, against 1 for one of no class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weight(f64);

/// What arrives: everything about a request that does not depend on the pool.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    /// Which one.
    pub id: RequestId,
    /// When its headers reached the gateway.
    pub at: Instant,
    /// What it asks for.
    pub model: Model,
    /// Position of its class in the configuration.
    pub class: usize,
    /// What its class is worth.
    pub weight: Weight,
    /// How to place it.
    pub policy: PolicyName,
    /// Its prompt and the estimate of its output.
    pub shape: Shape,
    /// Whether it is known that its answer will be streamed.
    pub streamed: bool,
    /// How long its answer may be, for the policies that go by more than the estimate; `None` where that is not known.
    pub lengths: Option<OutputLengths>,
    /// The objective of the request, its class or its model, in this order; it goes before a profile's own.
    pub slo: Option<Slo>,
    /// The pods that it may go to; `None` for all.
    pub subset: Option<Subset>,
}

/// How to assess requests; from the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Assessment {
    /// The objective where neither request, class, model nor profile has one.
    pub default_slo: Option<Slo>,
    /// How many requests a pod without a profile runs at once; `None`: as many as come.
    pub default_concurrency: Option<f64>,
    /// The policy for requests that no profile can judge.
    pub fallback_policy: PolicyName,
}

/// What a request would be on the pods of one deployment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prospect {
    /// Position in [`Pool::deployments`].
    pub deployment: usize,
    /// Identity of the deployment, for other VMs.
    pub deployment_id: DeploymentId,
    /// The share of a pod that it would take.
    pub load: Load,
    /// Whether the deployment must not be filled above its capacity.
    pub bounded: bool,
    /// Highest rate (requests/s) that a pod sustains in requests of this shape, where a profile says so.
    pub rate_per_s: Option<f64>,
    /// Until when it can start here and still meet its objective; `None` without an objective or a profile.
    pub latest_start: Option<Instant>,
    /// The objective that holds here.
    pub slo: Option<Slo>,
    /// Cost per unit of time of a pod, from the profile.
    pub cost: f64,
}

/// Why a request is not judged by a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unjudged {
    /// No deployment that serves the model has a profile from which a pending load follows.
    NoProfile,
    /// There are profiles, but neither they nor the configuration nor the request set an objective they can rank.
    NoSlo,
}

/// A request as policies see it.
#[derive(Clone, Debug)]
pub struct Request {
    /// What arrived. Its policy may be the fallback, see [`Request::unjudged`].
    pub arrival: Arrival,
    /// The policy in force.
    pub policy: PolicyName,
    /// One for each deployment that may run it, in the order of the pool.
    pub prospects: Vec<Prospect>,
    /// Until when it can start somewhere and still meet its objective ([`Instant::FAR_FUTURE`] without one).
    pub latest_start: Instant,
    /// Set if the fallback policy places it.
    pub unjudged: Option<Unjudged>,
    /// No deployment can meet its objective, not even an idle one.
    pub infeasible: bool,
    /// Its shape lies outside a profile's axes, so the nearest cell at the edge was used.
    pub clamped: bool,
    /// Its objective is another than the one a profile was measured for.
    pub foreign_slo: bool,
}

/// Requests with one footprint are admitted by the same room: where one of them finds none on a deployment, no other does
/// that is in time there as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Footprint(u64);

// === impl Weight ===

impl Weight {
    /// `None` unless it is positive and finite.
    pub fn new(weight: f64) -> Option<Self> {
        (weight > 0.0 && weight.is_finite()).then_some(Self(weight))
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(1.0)
    }
}

// === impl Arrival ===

impl Arrival {
    /// Whether the pod serves its model, and is one of those that it may go to.
    pub fn may_go_to(&self, pod: &Pod) -> bool {
        pod.serves(&self.model) && self.subset.as_ref().is_none_or(|subset| subset.contains(pod.address))
    }
}

// === impl Prospect ===

impl Prospect {
    /// Whether a request that starts now on this deployment can be expected to meet its objective.
    pub fn is_in_time(&self, now: Instant) -> bool {
        self.latest_start.is_some_and(|latest| latest >= now)
    }
}

// === impl Request ===

impl Request {
    /// Judges what arrived by the pool's profiles.
    pub fn assess(arrival: Arrival, pool: &Pool, how: &Assessment) -> Self {
        let mut request = Self {
            policy: arrival.policy,
            prospects: Vec::new(),
            latest_start: Instant::FAR_FUTURE,
            unjudged: None,
            infeasible: false,
            clamped: false,
            foreign_slo: false,
            arrival,
        };
        if request.policy == PolicyName::SloAttainment {
            request.judge_by_objective(pool, how);
        } else {
            request.judge_by_profiles(pool, how);
        }
        if request.prospects.is_empty() {
            request.judge_without_profiles(pool, how);
        }
        request
    }

    /// Whether it can no longer meet its objective anywhere.
    pub fn is_late(&self, now: Instant) -> bool {
        self.infeasible || self.latest_start < now
    }

    /// Time it could wait at arrival without missing its objective; zero if it was hopeless then.
    pub fn original_slack(&self) -> Duration {
        if self.infeasible { Duration::ZERO } else { self.latest_start.since(self.arrival.at) }
    }

    /// How long a whole pod of the deployment that serves it fastest takes for it: 1/λ, zero where no profile tells.
    pub fn work(&self) -> Duration {
        let fastest = self.prospects.iter().filter_map(|prospect| prospect.rate_per_s).fold(0.0, f64::max);
        Duration::try_from_secs_f64(1.0 / fastest).unwrap_or_default()
    }

    /// The prospect on a deployment of the pool.
    pub fn on(&self, deployment: usize) -> Option<&Prospect> {
        self.prospects.iter().find(|prospect| prospect.deployment == deployment)
    }

    /// What it would be on a pod if it went there now.
    pub fn as_run(&self, prospect: &Prospect, now: Instant) -> Run {
        Run {
            prompt_tokens: self.arrival.shape.input_tokens,
            arrived_at: self.arrival.at,
            placed_at: now,
            progress: if self.arrival.streamed { Progress::Prefilling } else { Progress::Unseen },
            slo: prospect.slo.unwrap_or_default(),
            lengths: self.arrival.lengths.clone().unwrap_or_default(),
            weight: self.arrival.weight,
        }
    }

    /// The prospects that deserve a pod: those where it still meets its objective, and, so that a late request is
    /// served at all, the one where it comes nearest (all of them, where none says how near).
    pub fn worth_trying(&self, now: Instant) -> impl Iterator<Item = &Prospect> {
        let best = self.prospects.iter().map(|prospect| prospect.latest_start).max().flatten();
        self.prospects.iter().filter(move |prospect| prospect.latest_start == best || prospect.is_in_time(now))
    }

    /// How much earlier than its latest start it must start on each of the deployments to be in time there, to the
    /// millisecond; `None` where no profile tells.
    pub fn leads(&self) -> impl Iterator<Item = Option<Duration>> {
        self.prospects.iter().map(|prospect| {
            let lead = self.latest_start.since(prospect.latest_start?);
            Some(Duration::from_millis(u64::try_from(lead.as_millis()).unwrap_or(u64::MAX)))
        })
    }

    /// Which other requests it shares its fate with.
    pub fn footprint(&self) -> Footprint {
        let mut hasher = FnvHasher::default();
        (self.policy, &self.arrival.model, &self.arrival.subset, self.arrival.class, self.infeasible).hash(&mut hasher);
        if self.policy == PolicyName::SloAttainment {
            // It judges each request by itself; a class is what may not starve.
            return Footprint(hasher.finish());
        }
        for (prospect, lead) in self.prospects.iter().zip(self.leads()) {
            (prospect.deployment_id, prospect.load, prospect.bounded, lead).hash(&mut hasher);
        }
        Footprint(hasher.finish())
    }

    /// A policy that judges by what it learns wants all deployments, with the objective that holds on each. What a profile
    /// says serves it as a start and where it cannot judge yet.
    fn judge_by_objective(&mut self, pool: &Pool, how: &Assessment) {
        let flat = how.default_concurrency.and_then(Load::of_one_in);
        for (position, deployment) in serving(pool, &self.arrival) {
            let profile = deployment.profile(&self.arrival.model).filter(|profile| profile.has_pending_load());
            let charged = profile.and_then(|profile| profile.nearest_feasible(profile.cell(self.arrival.shape)));
            let own_slo = profile.map(|profile| profile.slo).filter(|slo| !slo.is_empty());
            let by_profile = charged.and_then(|cell| profile.and_then(|profile| profile.load(cell)));
            self.prospects.push(Prospect {
                deployment: position,
                deployment_id: deployment.id,
                load: by_profile.or(flat).unwrap_or(Load::ZERO),
                bounded: by_profile.is_none() && flat.is_some(),
                rate_per_s: charged.and_then(|cell| profile.and_then(|profile| profile.rate_per_s(cell))),
                latest_start: None,
                slo: self.arrival.slo.or(own_slo).or(how.default_slo),
                cost: profile.map_or(0.0, |profile| profile.cost),
            });
        }
        let slos = self.prospects.iter().filter_map(|prospect| prospect.slo?.target(self.arrival.shape));
        if let Some(target) = slos.max() {
            self.latest_start = self.arrival.at.after(target);
        }
    }

    fn judge_by_profiles(&mut self, pool: &Pool, how: &Assessment) {
        let mut infeasible = Vec::new();
        let mut profiled = false;
        for (position, deployment) in serving(pool, &self.arrival) {
            let Some(profile) = deployment.profile(&self.arrival.model) else { continue };
            if !profile.has_pending_load() {
                continue;
            }
            profiled = true;
            let own_slo = Some(profile.slo).filter(|slo| !slo.is_empty());
            let Some(slo) = self.arrival.slo.or(own_slo).or(how.default_slo) else { continue };
            let cell = profile.cell(self.arrival.shape);
            let feasible = profile.load(cell).is_some();
            let Some(charged) = profile.nearest_feasible(cell) else {
                // Not one feasible cell: the profile says that this deployment never keeps its objective.
                infeasible.push(whole_pod(position, deployment, slo, profile.cost));
                continue;
            };
            let Some(latest_start) = latest_start(&slo, self.arrival.shape, profile, self.arrival.at) else { continue };
            self.clamped |= cell.clamped;
            self.foreign_slo |= own_slo.is_some_and(|own| own != slo);
            let prospect = Prospect {
                deployment: position,
                deployment_id: deployment.id,
                load: profile.load(charged).unwrap_or(Load::CAPACITY),
                bounded: true,
                rate_per_s: profile.rate_per_s(charged),
                latest_start: Some(latest_start),
                slo: Some(slo),
                cost: profile.cost,
            };
            if feasible { self.prospects.push(prospect) } else { infeasible.push(prospect) }
        }
        if self.prospects.is_empty() {
            self.infeasible = !infeasible.is_empty();
            self.prospects = infeasible;
            self.unjudged = (!self.infeasible).then_some(if profiled { Unjudged::NoSlo } else { Unjudged::NoProfile });
        }
        if let Some(latest) = self.prospects.iter().filter_map(|prospect| prospect.latest_start).max() {
            self.latest_start = latest;
        }
    }

    /// The fallback policy works by counts; what it places is charged all the same, since it takes room from others.
    fn judge_without_profiles(&mut self, pool: &Pool, how: &Assessment) {
        if self.arrival.policy.needs_profile() {
            self.policy = how.fallback_policy;
        }
        let flat = how.default_concurrency.and_then(Load::of_one_in);
        for (position, deployment) in serving(pool, &self.arrival) {
            let profile = deployment.profile(&self.arrival.model).filter(|profile| profile.has_pending_load());
            let charged = profile.and_then(|profile| profile.nearest_feasible(profile.cell(self.arrival.shape)));
            let by_profile = charged.and_then(|cell| profile.and_then(|profile| profile.load(cell)));
            self.prospects.push(Prospect {
                deployment: position,
                deployment_id: deployment.id,
                load: by_profile.or(flat).unwrap_or(Load::ZERO),
                bounded: flat.is_some(),
                rate_per_s: charged.and_then(|cell| profile.and_then(|profile| profile.rate_per_s(cell))),
                latest_start: None,
                slo: self.arrival.slo.or(how.default_slo),
                cost: profile.map_or(0.0, |profile| profile.cost),
            });
        }
        let target = self.arrival.slo.or(how.default_slo).and_then(|slo| slo.target(self.arrival.shape));
        if let Some(target) = target {
            self.latest_start = self.arrival.at.after(target);
        }
    }
}

fn serving<'a>(pool: &'a Pool, arrival: &Arrival) -> impl Iterator<Item = (usize, &'a Deployment)> {
    pool.deployments().iter().enumerate().filter(move |(position, _)| {
        pool.pods().iter().any(|pod| pod.deployment == *position && arrival.may_go_to(pod))
    })
}

fn whole_pod(position: usize, deployment: &Deployment, slo: Slo, cost: f64) -> Prospect {
    Prospect {
        deployment: position,
        deployment_id: deployment.id,
        load: Load::CAPACITY,
        bounded: true,
        rate_per_s: None,
        latest_start: None,
        slo: Some(slo),
        cost,
    }
}

#[cfg(test)]
mod tests;
