//! A request that runs on a pod, as a policy may know it.

use serde::{Deserialize, Serialize};

use super::prediction::OutputLengths;
use super::slo::{Outcome, Slo};
use super::time::Instant;
use super::weight::Weight;

/// See the module.
#[derive(Clone, Debug)]
pub struct Run {
    /// Tokens of its prompt.
    pub prompt_tokens: u32,
    /// Those of them that its pod is expected to compute, in the mean; the rest is in its cache.
    pub computed_tokens: f64,
    /// Instant at which it came to the gateway: its objective counts from there.
    pub arrived_at: Instant,
    /// Instant at which it was forwarded to its pod.
    pub placed_at: Instant,
    /// Progress of its answer.
    pub progress: Progress,
    /// Objective that it is to keep; nothing if that is empty.
    pub slo: Slo,
    /// Distribution of its answer's length, where a policy asked.
    pub lengths: Option<OutputLengths>,
    /// Worth of keeping its objective.
    pub weight: Weight,
}

// === impl Run ===

impl Run {
    /// Returns `true` if it would have kept its objective had it not waited before it was placed;
    /// `None` where it has none.
    pub fn kept_but_for_waiting(&self, outcome: &Outcome) -> Option<bool> {
        let slo = self.slo.applied_to(outcome.shape)?;
        let waited = self.placed_at.since(self.arrived_at);
        let [ttft, e2e] = [outcome.ttft, outcome.e2e].map(|since_arrival| since_arrival.saturating_sub(waited));
        Some(slo.kept(&Outcome { ttft, e2e, ..*outcome }))
    }
}

/// Progress of an answer, as far as it has been seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// Nothing, and nothing need be before its end: an answer that is not streamed.
    #[default]
    Unseen,
    /// It will be streamed, and has no token yet.
    Prefilling,
    /// It is streamed.
    Decoding {
        /// Instant of its first token.
        first_token_at: Instant,
        /// Tokens of it that had come by `seen_at`.
        tokens: u32,
        /// Instant of the last of them.
        seen_at: Instant,
    },
}
