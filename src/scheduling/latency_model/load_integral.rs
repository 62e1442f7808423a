//! Integral of the load of a pod between two moments: the means that explain how long a request's
//! decoding took.
//!
//! The levels (requests n, context K) are followed by dead reckoning from event to event and
//! corrected at each round; their integrals over time are exact sums of trapezia. So a request
//! costs two readings, however long it runs.

use super::fit::Sample;
use super::step::FREE_TOKENS;
use crate::scheduling::time::Instant;

/// Time constant of ρ.
const STALL_WINDOW_S: f64 = 6.0;
/// The most that ρ can be: beyond, no pace follows from it.
const MOST_STALLED: f64 = 0.6;

/// Levels of a pod: its requests and their context.
#[derive(Clone, Copy, Debug, Default)]
pub struct Levels {
    /// n.
    pub requests: f64,
    /// K.
    pub context_tokens: f64,
    /// Tokens that K grows by in a second.
    pub growth_per_s: f64,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoadIntegral {
    at: Instant,
    levels: Levels,
    totals: Totals,
    /// Stalls of the prompts that came, fading.
    stalls_s: f64,
    /// Instant at which all prompts that came are computed, one after the other.
    prefill_until: Instant,
}

/// Integrals from some moment on.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    request_seconds: f64,
    context_token_seconds: f64,
    /// Prompt tokens that came, without those that are free.
    prefill_tokens: f64,
}

/// Reading of an integral.
#[derive(Clone, Copy, Debug)]
pub(super) struct IntegralReading {
    at: Instant,
    totals: Totals,
}

// === impl LoadIntegral ===

impl LoadIntegral {
    /// Of an idle pod.
    pub(super) fn new(now: Instant) -> Self {
        Self { at: now, levels: Levels::default(), totals: Totals::default(), stalls_s: 0.0, prefill_until: now }
    }

    /// Moves time on.
    pub(super) fn advance(&mut self, now: Instant) {
        let seconds = now.seconds_since(self.at);
        if seconds <= 0.0 {
            return;
        }
        let grown = self.levels.growth_per_s * seconds;
        self.totals.request_seconds += self.levels.requests * seconds;
        self.totals.context_token_seconds += (self.levels.context_tokens + grown / 2.0) * seconds;
        self.levels.context_tokens += grown;
        self.stalls_s *= (-seconds / STALL_WINDOW_S).exp();
        self.at = self.at.max(now);
    }

    /// Sets the levels to what was seen.
    pub(super) fn correct(&mut self, levels: Levels) {
        self.levels = levels;
    }

    /// A request came, of whose prompt so much is computed; that stalls the others for so long. An
    /// iteration without it takes at least `base_s`.
    pub(super) fn came(&mut self, prompt_tokens: f64, computed_tokens: f64, stall_s: f64, base_s: f64) {
        self.levels.requests += 1.0;
        self.levels.context_tokens += prompt_tokens;
        self.totals.prefill_tokens += (computed_tokens - FREE_TOKENS).max(0.0);
        self.stalls_s += stall_s;
        self.prefill_until = self.prefill_until.max(self.at).offset_seconds(stall_s + base_s);
    }

    /// A request ended, with so many tokens of prompt and answer.
    pub(super) fn ended(&mut self, tokens: f64) {
        self.levels.requests = (self.levels.requests - 1.0).max(0.0);
        self.levels.context_tokens = (self.levels.context_tokens - tokens).max(0.0);
    }

    /// n.
    pub(super) fn requests(&self) -> f64 {
        self.levels.requests
    }

    /// K.
    pub(super) fn context_tokens(&self) -> f64 {
        self.levels.context_tokens
    }

    /// Returns the instant at which all prompts that came will be computed.
    pub(super) fn prefill_until(&self) -> Instant {
        self.prefill_until
    }

    /// A prompt that was expected to be computed by `expected` was so by `actual`: those after it
    /// are that much earlier or later.
    pub(super) fn shift_prefill(&mut self, expected: Instant, actual: Instant) {
        self.prefill_until = self.prefill_until.offset_seconds(actual.seconds_since(expected)).max(actual);
    }

    /// ρ: the share of time in which prompts stall decoding, over the last [`STALL_WINDOW_S`].
    pub(super) fn stalled_share(&self) -> f64 {
        (self.stalls_s / STALL_WINDOW_S).min(MOST_STALLED)
    }

    /// Reads the integral.
    pub(super) fn read(&self) -> IntegralReading {
        IntegralReading { at: self.at, totals: self.totals }
    }

    /// Returns the pod's means since a reading, in which a request made so many steps.
    pub(super) fn since(&self, from: &IntegralReading, steps: f64) -> Sample {
        let seconds = self.at.seconds_since(from.at);
        Sample {
            requests: (self.totals.request_seconds - from.totals.request_seconds) / seconds,
            context_tokens: (self.totals.context_token_seconds - from.totals.context_token_seconds) / seconds,
            prefill_tokens_per_step: (self.totals.prefill_tokens - from.totals.prefill_tokens) / steps,
            step_s: seconds / steps,
            weight: Sample::weight_of(steps),
        }
    }
}
