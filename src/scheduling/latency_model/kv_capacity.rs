//! Room of a deployment's pods: the tokens of context that one holds in its cache, learned from
//! requests that it did not begin in time.
//!
//! No profile and no response says how large a cache is. But a pod whose cache is full begins no
//! more prompts: while one has been due for long, what the others hold is about all that there is
//! room for. Since a pod may be late for other reasons, and since nothing fuller is ever seen once
//! requests are held for want of room, the estimate grows while nothing is late.

use crate::scheduling::time::Instant;

/// Rate at which it follows what was seen on pods that were late, per second.
const FOLLOWED_PER_S: f64 = 0.5;

/// Rate at which it grows while nothing is late, per second.
const GROWTH_PER_S: f64 = 0.01;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct KvCapacity {
    tokens: f64,
    at: Instant,
}

// === impl KvCapacity ===

impl KvCapacity {
    /// Returns the estimate after an observation of a pod with so many tokens in its cache; `late`:
    /// it has not begun a prompt in time.
    pub(super) fn seen(known: Option<Self>, tokens: f64, late: bool, now: Instant) -> Option<Self> {
        let Some(Self { tokens: before, at }) = known else { return late.then_some(Self { tokens, at: now }) };
        let seconds = now.seconds_since(at).max(0.0);
        let after = if late {
            before + (tokens - before) * (1.0 - (-FOLLOWED_PER_S * seconds).exp())
        } else {
            (before * (GROWTH_PER_S * seconds).exp()).max(tokens)
        };
        Some(Self { tokens: after.min(MOST), at: now })
    }

    /// The estimate.
    pub(super) fn tokens(&self) -> f64 {
        self.tokens
    }
}

/// More than any cache holds.
const MOST: f64 = 1e9;
