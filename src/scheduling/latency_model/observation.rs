//! PodObservation of a pod through one request that runs there, from its placement to its end.

use super::load_integral::IntegralReading;
use crate::scheduling::pool::{DeploymentId, PodId};
use crate::scheduling::time::Instant;

/// See the module.
#[derive(Debug)]
pub struct PodObservation {
    pub(super) pod: PodId,
    pub(super) deployment: DeploymentId,
    pub(super) prompt_tokens: f64,
    pub(super) prefill: Prefill,
    /// Reading of the integral of its pod's load: when it was placed or, better, at its first
    /// token.
    pub(super) from: IntegralReading,
    pub(super) streamed: bool,
    /// Tokens of its answer by then.
    pub(super) tokens: u32,
}

/// Time that the prompt of a request was expected to take when it was placed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefill {
    pub(super) placed_at: Instant,
    /// Until the prompts before it are computed, and the iteration in flight is over.
    pub(super) wait_s: f64,
    /// If all of it is computed.
    pub(super) whole_s: f64,
    /// An iteration.
    pub(super) step_s: f64,
    /// Instant at which it will be computed, by what is known of caches.
    pub(super) done_at: Instant,
    /// The others on the pod then: requests and their tokens of context.
    pub(super) requests: f64,
    pub(super) context_tokens: f64,
    /// No other prompt was expected to be computed there first.
    pub(super) is_next: bool,
}
