//! Policies: who goes where. Each is one file behind the one small trait [`Policy`]; the scheduler owns the queue,
//! time and events, a policy owns the choice and nothing else.

pub mod attainment;
mod least_request;
mod name;
mod pull;
mod push;
mod random;
#[cfg(test)]
mod tests;

pub use self::attainment::{Lateness, watch};
pub use self::name::{PolicyName, UnknownPolicy};

use serde::Deserialize;

use super::request::{Request, RequestId};
use super::speeds::Speeds;
use super::time::Instant;
use super::view::{Candidate, View};

/// A rule by which waiting requests are placed on pods.
pub trait Policy {
    /// Looks at the pool and at the most urgent waiting requests (of this policy, most urgent first) and decides.
    /// A request that no decision names waits. Placements must be noted in the view by [`View::place`].
    fn pass(&mut self, view: &mut View<'_>, waiting: &[&Request], pass: &mut Pass<'_>) -> Vec<Decision>;

    /// A request was placed as the last pass decided. A decision alone may come to nothing, where another worker takes the room
    /// first, so what a policy counts of its placements belongs here.
    fn placed(&mut self, _request: RequestId) {}
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

/// The policy called `name`.
pub fn build(name: PolicyName, Preferences { prefer, lateness }: Preferences) -> Box<dyn Policy> {
    match name {
        PolicyName::Slo | PolicyName::SloLeastLoadPulling => Box::new(pull::Pull::least_load(prefer)),
        PolicyName::SloPackLoad => Box::new(pull::Pull::pack_load(prefer)),
        PolicyName::SloLeastLoad => Box::new(push::LeastLoad),
        PolicyName::SloAttainment => Box::new(attainment::Attainment::new(lateness)),
        PolicyName::LeastRequest => Box::new(least_request::LeastRequest),
        PolicyName::Random => Box::new(random::Random),
    }
}

/// Returns the pods to which a policy that pushes may put a request: all, unless no profile judges
/// it and the operator gave a limit for that case.
fn open_to<'v>(view: &'v View<'_>, request: &'v Request) -> Box<dyn Iterator<Item = Candidate<'v>> + 'v> {
    let is_bounded = request.unjudged.is_some() || request.policy == PolicyName::SloAttainment;
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
