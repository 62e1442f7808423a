//! Observation of a pod through one request that runs there, from its placement to its end.

use super::load_integral::IntegralReading;
use crate::scheduling::pool::{DeploymentId, PodId};
use crate::scheduling::prefix::PrefixHit;
use crate::scheduling::time::Instant;

/// See the module.
#[derive(Debug)]
pub struct PodObservation {
    pub(super) pod: PodId,
    pub(super) deployment: DeploymentId,
    pub(super) prompt: ExpectedPrompt,
    pub(super) prefill: Prefill,
    /// Reading of the integral of its pod's load: when it was placed or, better, at its first
    /// token.
    pub(super) from: IntegralReading,
    pub(super) streamed: bool,
    /// Tokens of its answer by then.
    pub(super) tokens: u32,
    /// Tokens of what was expected in the pod's cache that were there, as far as its first token
    /// tells.
    pub(super) found_tokens: Option<u32>,
}

/// A prompt, and what was expected of its pod's cache when it was placed.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedPrompt {
    /// Tokens of it.
    pub tokens: f64,
    /// Tokens that are computed, in the mean.
    pub computed_tokens: f64,
    /// Tokens that are computed where nothing of it is in the pod's cache that it is known to have
    /// computed before.
    pub unexpected_tokens: f64,
    /// Part of it that the pod is known to have computed before.
    pub hit: Option<PrefixHit>,
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

// === impl PodObservation ===

impl PodObservation {
    /// Returns how many tokens of what was expected in the pod's cache were there, as far as its
    /// first token tells.
    pub fn found_tokens(&self) -> Option<u32> {
        self.found_tokens
    }
}

// === impl ExpectedPrompt ===

impl ExpectedPrompt {
    /// Of a prompt on a pod where a part of it may be in the cache; else `unexpected_tokens` of it
    /// are computed.
    pub fn new(tokens: u32, unexpected_tokens: f64, hit: Option<PrefixHit>) -> Self {
        let tokens = f64::from(tokens);
        let mut prompt = Self { tokens, computed_tokens: unexpected_tokens, unexpected_tokens, hit };
        if let Some(hit) = hit {
            let probability = f64::from(hit.probability);
            prompt.computed_tokens = probability * prompt.left_tokens(&hit) + (1.0 - probability) * unexpected_tokens;
        }
        prompt
    }

    /// Returns the probability that the pod still has what it computed before, and the tokens that
    /// are computed if so and if not; `None` where that makes no difference worth a look.
    pub fn cases(&self) -> Option<(f64, [f64; 2])> {
        let hit = self.hit.filter(|hit| f64::from(hit.tokens) > NOTABLE_SHARE * self.tokens)?;
        let probability = f64::from(hit.probability);
        (NEGLIGIBLE..1.0 - NEGLIGIBLE)
            .contains(&probability)
            .then(|| (probability, [self.left_tokens(&hit), self.unexpected_tokens]))
    }

    /// Tokens that are computed where the pod still has what it computed before.
    fn left_tokens(&self, hit: &PrefixHit) -> f64 {
        (self.tokens - f64::from(hit.tokens)).max(0.0).min(self.unexpected_tokens)
    }

    /// Returns `true` if there is little doubt of how much is computed.
    pub(super) fn is_certain(&self) -> bool {
        self.hit.is_none_or(|hit| hit.probability <= 0.0 || hit.probability >= CERTAIN)
    }

    /// Returns `true` if a part of it is expected in the pod's cache.
    pub(super) fn is_hit_expected(&self) -> bool {
        self.hit.is_some_and(|hit| hit.probability > 0.0)
    }

    /// Returns how many tokens of what was expected were found, if so large a share of the prompt
    /// seems to have been computed: all or nothing, whichever it is nearer to.
    pub(super) fn found_tokens(&self, computed_share: f64) -> Option<u32> {
        let hit = self.hit.filter(|hit| f64::from(hit.tokens) >= TELLING_SHARE * self.tokens)?;
        let spared_share = f64::from(hit.tokens) / self.tokens;
        Some(if computed_share < 1.0 - spared_share / 2.0 { hit.tokens } else { 0 })
    }
}

/// The share of a prompt below which it makes no difference whether it is found.
const NOTABLE_SHARE: f64 = 0.1;

/// Probability of a case that is left out.
const NEGLIGIBLE: f64 = 0.02;

/// Probability from which a prefix is as good as certain to be there.
const CERTAIN: f32 = 0.9;

/// The share of a prompt that must have been expected for its first token to tell whether it was
/// there.
const TELLING_SHARE: f64 = 0.3;
