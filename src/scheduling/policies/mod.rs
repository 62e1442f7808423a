//! Policies: who goes where. Each is one file behind the one small trait [`Policy`], with a [`Descriptor`] that says all that
//! the rest of the crate knows of it; the scheduler owns the queue, time and events, a policy owns the choice and nothing else.
//! A new one is such a file, its module and its entry in [`ALL`].

pub mod attainment;
pub mod least_request;
pub mod lmetric;
mod name;
pub mod pull;
pub mod push;
pub mod random;
#[cfg(test)]
mod tests;

pub use self::attainment::{Lateness, watch};
pub use self::name::{Descriptor, Kind, PolicyName, UnknownPolicy};

use serde::Deserialize;

use super::request::{Request, RequestId};
use super::speeds::Speeds;
use super::time::Instant;
use super::view::{Candidate, View};

/// All policies, in the order in which users are told of them; the first is the default.
pub const ALL: [PolicyName; 8] = [
    attainment::SLO_ATTAINMENT,
    pull::SLO,
    pull::SLO_LEAST_LOAD_PULLING,
    pull::SLO_PACK_LOAD,
    push::SLO_LEAST_LOAD,
    least_request::LEAST_REQUEST,
    lmetric::LMETRIC,
    random::RANDOM,
];

/// A rule by which waiting requests are placed on pods.
pub trait Policy {
    /// Looks at the pool and at the most urgent waiting requests (of this policy, most urgent first) and decides.
    /// A request that no decision names waits. Placements must be noted in the view by [`View::place`].
    fn pass(&mut self, view: &mut View<'_>, waiting: &[&Request], pass: &mut Pass<'_>) -> Vec<Decision>;

    /// A request was placed as the last pass decided. A decision alone may come to nothing, where another worker takes the room
    /// first, so what a policy counts of its placements belongs here.
    fn placed(&mut self, _request: RequestId) {}

    /// Returns the policy that decides on a request in its place while it does not know enough; `None` where it decides itself.
    fn stand_in(&self, _request: &Request, _speeds: &Speeds) -> Option<PolicyName> {
        None
    }
}

/// Context of a pass, beside the pool and the queue.
#[derive(Debug)]
pub struct Pass<'a> {
    /// Monotonic time of the pass.
    pub now: Instant,
    /// For ties and random choices.
    pub rng: &'a mut fastrand::Rng,
    /// Speeds of the deployments.
    pub speeds: &'a mut Speeds,
    /// Looks of requests at pods in this callback so far, which bound it. A policy that does more than look at each pod for
    /// each request counts that in them.
    pub looks: usize,
}

/// Decision of a policy on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Number of the request.
    pub request: RequestId,
    /// Position of its pod in the pool.
    pub pod: usize,
}

/// Preference among deployments while several can meet the objective.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefer {
    /// The one that leaves most slack.
    #[default]
    Slack,
    /// The cheapest by the profiles' cost.
    Cheapest,
}

/// Preferences that policies take from the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Preferences {
    /// Preference of the pull policies among deployments.
    pub prefer: Prefer,
    /// Weight of lateness for `slo-attainment`.
    pub lateness: Lateness,
}

// === impl Pass ===

impl<'a> Pass<'a> {
    /// Returns the context of a pass that has taken no look yet.
    pub fn new(now: Instant, rng: &'a mut fastrand::Rng, speeds: &'a mut Speeds) -> Self {
        Self { now, rng, speeds, looks: 0 }
    }
}

/// Returns the pods to which a policy that pushes may put a request: all, unless no profile judges
/// it and the operator gave a limit for that case.
fn open_to<'v>(view: &'v View<'_>, request: &'v Request) -> Box<dyn Iterator<Item = Candidate<'v>> + 'v> {
    let is_bounded = request.unjudged.is_some() || request.policy.kind == Kind::Gain;
    if is_bounded { Box::new(view.with_room(request)) } else { Box::new(view.serving(request)) }
}

/// The item with the smallest key; one at random among equals.
fn min_at_random<T>(items: impl Iterator<Item = T>, key: impl Fn(&T) -> f64, rng: &mut fastrand::Rng) -> Option<T> {
    let mut best: Option<(f64, T)> = None;
    let mut ties = 0_u32;
    for item in items {
        let value = key(&item);
        match &best {
            Some((smallest, _)) if value > *smallest => {}
            Some((smallest, _)) if value == *smallest => {
                // Reservoir sampling: the k-th of k equals replaces the choice with probability 1/k.
                ties += 1;
                if rng.u32(0..=ties) == 0 {
                    best = Some((value, item));
                }
            }
            _ => {
                ties = 0;
                best = Some((value, item));
            }
        }
    }
    best.map(|(_, item)| item)
}
