//! Prompt tokens that are really computed: what a prefix cache spares is learned from what servers
//! tell and from first tokens.
//!
//! vLLM, SGLang and llama.cpp keep the keys and values of prompts that they have seen. How much of
//! a prompt they find there is told by `cached_tokens` in a response's usage, or else shows in how
//! soon the first token comes. It is learned by the length of prompts: behind a shared system
//! prompt all are long and mostly cached, a conversation's turns are cached the more the longer
//! they are, and single questions are short and not cached at all.

use serde::{Deserialize, Serialize};

use crate::scheduling::shape::log2_bucket;

/// Buckets of prompts' lengths, by powers of two; the last one is open.
const BUCKETS: usize = 20;
/// Share of what was learned of a bucket that fades with one more prompt.
const FADE: f64 = 0.03;
/// Weight of the prior, in prompts: of all lengths together in a bucket, and of no cache in all of
/// them.
const PRIOR_PROMPTS: f64 = 1.0;

/// The share of prompts that is computed, by their length. See the module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Prompts {
    /// Of all prompts.
    all: SharesByLength,
    /// Of those of which nothing was expected in their pod's cache.
    unexpected: SharesByLength,
    /// `true` once the servers report it.
    told: bool,
}

/// Sums by the length of prompts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct SharesByLength {
    buckets: [ShareSums; BUCKETS],
    overall: ShareSums,
}

/// Sums over prompts, in prompts: of the shares that were computed, and of 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct ShareSums {
    computed: f64,
    prompts: f64,
}

/// The share of prompts that is expected to be computed, by their length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComputedShares([f64; BUCKETS]);

/// A prompt, and the share of it that was computed.
#[derive(Clone, Copy, Debug)]
pub(super) struct ComputedPrompt {
    /// Tokens of the prompt.
    pub prompt_tokens: f64,
    /// The share that was computed.
    pub share: f64,
    /// Evidence from which it is known.
    pub evidence: Evidence,
    /// `true` where a part of it was expected in the pod's cache, and so it says nothing of prompts
    /// of which none is.
    pub was_expected: bool,
}

/// Evidence from which a share is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// The server told it.
    Told,
    /// The first token came after so much computing. It counts only where servers tell nothing.
    FirstToken,
}

// === impl Prompts ===

impl Prompts {
    /// Learns how much of a prompt was computed.
    pub(super) fn learn(&mut self, computed: &ComputedPrompt) {
        self.told |= computed.evidence == Evidence::Told;
        if (self.told && computed.evidence == Evidence::FirstToken) || !computed.share.is_finite() {
            return;
        }
        self.all.add(computed);
        if !computed.was_expected {
            self.unexpected.add(computed);
        }
    }

    /// True once the servers tell how much they had in their caches.
    pub(super) fn are_told(&self) -> bool {
        self.told
    }

    /// The shares of all prompts, as they are known now.
    pub(super) fn shares(&self) -> ComputedShares {
        self.all.shares()
    }

    /// Those of prompts of which nothing is expected in their pod's cache.
    pub(super) fn unexpected_shares(&self) -> ComputedShares {
        self.unexpected.shares()
    }
}

// === impl SharesByLength ===

impl SharesByLength {
    fn add(&mut self, computed: &ComputedPrompt) {
        if let Some(bucket) = self.buckets.get_mut(bucket(computed.prompt_tokens)) {
            bucket.add(computed.share);
        }
        self.overall.add(computed.share);
    }

    fn shares(&self) -> ComputedShares {
        let overall = self.overall.share(1.0);
        ComputedShares(self.buckets.map(|bucket| bucket.share(overall)))
    }
}

// === impl ComputedShares ===

impl ComputedShares {
    /// Of a server without a prefix cache.
    pub const ALL: Self = Self([1.0; BUCKETS]);

    /// Tokens of a prompt that will be computed.
    pub fn computed_tokens(&self, prompt_tokens: f64) -> f64 {
        prompt_tokens * self.0.get(bucket(prompt_tokens)).copied().unwrap_or(1.0)
    }
}

// === impl ShareSums ===

impl ShareSums {
    fn add(&mut self, computed_share: f64) {
        let keep = 1.0 - FADE;
        *self = Self { computed: self.computed * keep + computed_share, prompts: self.prompts * keep + 1.0 };
    }

    fn share(&self, prior: f64) -> f64 {
        ((self.computed + PRIOR_PROMPTS * prior) / (self.prompts + PRIOR_PROMPTS)).clamp(0.0, 1.0)
    }
}

fn bucket(prompt_tokens: f64) -> usize {
    usize::from(log2_bucket(prompt_tokens as u32)).min(BUCKETS - 1)
}
