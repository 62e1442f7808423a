//! Policies as a scheduler sees them.

use super::name::PolicyName;
use crate::scheduling::latency_model::LatencyModels;
use crate::scheduling::prefix::{PrefixHits, PrefixIndex};
use crate::scheduling::request::{Arrival, Request, RequestId};
use crate::scheduling::time::Instant;
use crate::scheduling::view::View;

/// Looks of requests at pods that looking up a prompt's pods takes about as long as.
pub(super) const LOOKS_OF_HITS: usize = 48;

/// A rule by which waiting requests are placed on pods.
pub trait Policy {
    /// Looks at the pool and at the most urgent waiting requests (of this policy, most urgent
    /// first) and decides. A request that no decision names waits. Placements must be noted in the
    /// view by [`View::place`].
    fn decide(&mut self, view: &mut View<'_>, waiting: &[&Request], round: &mut Round<'_>) -> Vec<Decision>;

    /// A request was placed as the last round decided. A decision alone may come to nothing, where
    /// another worker takes the room first, so what a policy counts of its placements belongs here.
    fn placed(&mut self, _request: RequestId) {}

    /// Returns the policy that decides on a request in its place while it does not know enough;
    /// `None` where it decides itself.
    fn stand_in(&self, _request: &Request, _speeds: &LatencyModels) -> Option<PolicyName> {
        None
    }
}

/// Context of a round, beside the pool and the queue.
#[derive(Debug)]
pub struct Round<'a> {
    /// Monotonic time of the round.
    pub now: Instant,
    /// For ties and random choices.
    pub rng: &'a mut fastrand::Rng,
    /// Latency models of the deployments.
    pub latency_models: &'a mut LatencyModels,
    /// Pods by what they computed, where requests are placed by it.
    pub prefixes: Option<&'a PrefixIndex>,
    /// Looks of requests at pods in this callback so far, which bound it. A policy that does more
    /// than look at each pod for each request counts that in them.
    pub looks: usize,
    /// Decisions that are carried out: a policy need not look for more.
    pub most_decisions: usize,
    /// Requests that wait in the whole pool, as far as is known here, those that are offered
    /// included.
    pub waiting: u32,
}

/// Decision of a policy on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Number of the request.
    pub request: RequestId,
    /// Position of its pod in the pool.
    pub pod: usize,
}

// === impl Round ===

impl<'a> Round<'a> {
    /// Returns the context of a round that has taken no look yet, for the only request that waits.
    pub fn new(now: Instant, rng: &'a mut fastrand::Rng, latency_models: &'a mut LatencyModels) -> Self {
        Self { now, rng, latency_models, prefixes: None, looks: 0, most_decisions: usize::MAX, waiting: 1 }
    }

    /// Returns the pods that are expected to hold a part of a request's prompt. Counts as looks.
    pub fn hits(&mut self, request: &Request) -> PrefixHits {
        let Arrival { heads, shape, .. } = &request.arrival;
        if self.prefixes.is_some() && !heads.is_empty() {
            self.looks = self.looks.saturating_add(LOOKS_OF_HITS);
        }
        self.prefixes.map(|prefixes| prefixes.expected(heads, shape.input_tokens)).unwrap_or_default()
    }
}
