//! Request as the scheduler knows it, assessed once at arrival and again when the pool changes.

mod assessment;

use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use fnv::FnvHasher;
use serde::{Deserialize, Serialize};

pub use self::assessment::Assessment;
use super::load::Load;
use super::policies::{PolicyKind, PolicyName};
use super::pool::{Audience, DeploymentId, Model};
use super::prediction::OutputLengths;
use super::prefix::PromptHeads;
use super::run::{Progress, Run};
use super::shape::Shape;
use super::slo::Slo;
use super::subset::Subset;
use super::time::Instant;
use super::weight::Weight;

/// A request within one VM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u32);

/// Arrival of a request: everything about it that does not depend on the pool.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    /// Number of the request.
    pub id: RequestId,
    /// Instant at which its headers reached the gateway.
    pub at: Instant,
    /// Model that it asks for.
    pub model: Model,
    /// Position of its class in the configuration.
    pub class: usize,
    /// Worth of its class.
    pub weight: Weight,
    /// Policy that places it.
    pub policy: PolicyName,
    /// Its prompt and the estimate of its output.
    pub shape: Shape,
    /// `true` where it is known that its answer will be streamed.
    pub streamed: bool,
    /// Distribution of its answer's length, for the policies that go by more than the estimate;
    /// `None` where that is not known.
    pub lengths: Option<OutputLengths>,
    /// The objective of the request, its class or its model, in this order; it goes before a
    /// profile's own.
    pub slo: Option<Slo>,
    /// The pods that it may go to; `None` for all.
    pub subset: Option<Subset>,
    /// Beginnings of its prompt, by which pods' caches are looked up; none where that is not done.
    pub heads: Rc<PromptHeads>,
}

/// Prospect of a request on the pods of one deployment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prospect {
    /// Position in [`Pool::deployments`](super::pool::Pool::deployments).
    pub deployment: usize,
    /// Identity of the deployment, for other VMs.
    pub deployment_id: DeploymentId,
    /// The share of a pod that it would take.
    pub load: Load,
    /// `true` where the deployment must not be filled above its capacity.
    pub bounded: bool,
    /// Highest rate (requests/s) that a pod sustains in requests of this shape, where a profile
    /// says so.
    pub rate_per_s: Option<f64>,
    /// Latest instant at which it can start here and still meet its objective; `None` without an
    /// objective or a profile.
    pub latest_start: Option<Instant>,
    /// The objective that holds here.
    pub slo: Option<Slo>,
    /// Cost per unit of time of a pod, from the profile.
    pub cost: f64,
}

/// Reason why a request is not judged by a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unjudged {
    /// No deployment that serves the model has a profile from which a pending load follows.
    NoProfile,
    /// There are profiles, but neither they nor the configuration nor the request set an objective
    /// they can rank.
    NoSlo,
    /// Its policy goes by speeds that are learned, and too little is known of them, or they turned
    /// out wrong.
    SpeedsUnknown,
}

/// A request as policies see it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Arrival of the request. Its policy may be the fallback, see [`Request::unjudged`].
    pub arrival: Arrival,
    /// The policy in force.
    pub policy: PolicyName,
    /// The pods that it may go to.
    pub audience: Rc<Audience>,
    /// One for each deployment that may run it, in the order of the pool.
    pub prospects: Vec<Prospect>,
    /// Latest instant at which it can start somewhere and still meet its objective
    /// ([`Instant::FAR_FUTURE`] without one).
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

/// Requests with one footprint are admitted by nearly the same room: they may go to the same pods,
/// take much the same there, and must start by much the same time. Names of models do not tell them
/// apart, and neither do small differences of lengths and objectives: clients choose these, and
/// each footprint costs a look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Footprint(u64);

// === impl Prospect ===

impl Prospect {
    /// Returns `true` if a request that starts now on this deployment can be expected to meet its
    /// objective.
    pub fn is_in_time(&self, now: Instant) -> bool {
        self.latest_start.is_some_and(|latest| latest >= now)
    }
}

// === impl Request ===

impl Request {
    /// Returns `true` if it can no longer meet its objective anywhere.
    pub fn is_late(&self, now: Instant) -> bool {
        self.infeasible || self.latest_start < now
    }

    /// Time it could wait at arrival without missing its objective; zero if it was hopeless then.
    pub fn original_slack(&self) -> Duration {
        if self.infeasible { Duration::ZERO } else { self.latest_start.since(self.arrival.at) }
    }

    /// Returns the time that a whole pod of the deployment that serves it fastest takes for it:
    /// 1/λ, zero where no profile tells.
    pub fn work(&self) -> Duration {
        let fastest = self.prospects.iter().filter_map(|prospect| prospect.rate_per_s).fold(0.0, f64::max);
        Duration::try_from_secs_f64(1.0 / fastest).unwrap_or_default()
    }

    /// The prospect on a deployment of the pool.
    pub fn on(&self, deployment: usize) -> Option<&Prospect> {
        self.prospects.iter().find(|prospect| prospect.deployment == deployment)
    }

    /// Returns its run on a pod if it went there now, which would compute so much of its prompt.
    pub fn as_run(&self, prospect: &Prospect, computed_tokens: f64, now: Instant) -> Run {
        Run {
            prompt_tokens: self.arrival.shape.input_tokens,
            computed_tokens,
            arrived_at: self.arrival.at,
            placed_at: now,
            progress: if self.arrival.streamed { Progress::Prefilling } else { Progress::Unseen },
            slo: prospect.slo.unwrap_or_default(),
            lengths: self.arrival.lengths.clone(),
            weight: self.arrival.weight,
        }
    }

    /// The prospects that deserve a pod: those where it still meets its objective, and, so that a
    /// late request is served at all, the one where it comes nearest (all of them, where none says
    /// how near).
    pub fn worth_trying(&self, now: Instant) -> impl Iterator<Item = &Prospect> {
        let best = self.prospects.iter().map(|prospect| prospect.latest_start).max().flatten();
        self.prospects.iter().filter(move |prospect| prospect.latest_start == best || prospect.is_in_time(now))
    }

    /// Returns by how much earlier than its latest start it must start on each of the deployments
    /// to be in time there, to the millisecond; `None` where no profile tells.
    pub fn leads(&self) -> impl Iterator<Item = Option<Duration>> {
        self.prospects.iter().map(|prospect| {
            let lead = self.latest_start.since(prospect.latest_start?);
            Some(Duration::from_millis(u64::try_from(lead.as_millis()).unwrap_or(u64::MAX)))
        })
    }

    /// Identifies the other requests that share its fate.
    pub fn footprint(&self) -> Footprint {
        let mut hasher = FnvHasher::default();
        (self.policy, self.audience.id(), self.arrival.class, self.infeasible).hash(&mut hasher);
        if self.policy.kind == PolicyKind::Gain {
            // It judges each request by itself; a class is what may not starve.
            return Footprint(hasher.finish());
        }
        for (prospect, lead) in self.prospects.iter().zip(self.leads()) {
            let lead = lead.map(|lead| quarter_octave(u64::try_from(lead.as_millis()).unwrap_or(u64::MAX)));
            let load = quarter_octave(prospect.load.as_micro().into());
            (prospect.deployment_id, load, prospect.bounded, lead).hash(&mut hasher);
        }
        Footprint(hasher.finish())
    }
}

/// The quarter of an octave in which a number lies.
fn quarter_octave(number: u64) -> u32 {
    // The bits after the leading one are nearly the fraction of the logarithm.
    let Some(octave) = number.checked_ilog2() else { return 0 };
    let quarter = if octave >= 2 { (number >> (octave - 2)) & 3 } else { 0 };
    1 + 4 * octave + u32::try_from(quarter).unwrap_or_default()
}

#[cfg(test)]
mod tests;
