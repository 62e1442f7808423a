//! What a pod has done between two moments: means that a request's decoding time is explained by.

use super::deployment::FREE_TOKENS;
use super::fit::Sample;
use crate::scheduling::time::Instant;

/// Time constant of the share of time that goes to prompts.
const STALL_WINDOW_S: f64 = 6.0;

/// Integrals over time of what is on a pod, and the levels now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    at: Instant,
    requests: f64,
    context_tokens: f64,
    decoding: f64,
    step_s: f64,
    /// ∫ n dt and ∫ K dt, in seconds.
    request_seconds: f64,
    context_seconds: f64,
    /// Prompt tokens that were computed, beyond what is free.
    prefilled_tokens: f64,
    /// Decaying sum of stalls that were dispatched.
    stall_s: f64,
}

/// A reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    at: Instant,
    request_seconds: f64,
    context_seconds: f64,
    prefilled_tokens: f64,
}

// === impl Meter ===

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            at: now,
            requests: 0.0,
            context_tokens: 0.0,
            decoding: 0.0,
            step_s: 0.03,
            request_seconds: 0.0,
            context_seconds: 0.0,
            prefilled_tokens: 0.0,
            stall_s: 0.0,
        }
    }

    pub(super) fn requests(&self) -> f64 {
        self.requests
    }

    pub(super) fn advance(&mut self, now: Instant) {
        let dt = now.seconds_since(self.at).max(0.0);
        self.at = now;
        let grown = self.decoding * dt / self.step_s;
        self.request_seconds += self.requests * dt;
        self.context_seconds += (self.context_tokens + grown / 2.0) * dt;
        self.context_tokens += grown;
        self.stall_s *= (-dt / STALL_WINDOW_S).exp();
    }

    /// Sets the levels to what was seen.
    pub(super) fn correct(&mut self, requests: f64, context_tokens: f64, decoding: f64, step_s: f64) {
        self.requests = requests;
        self.context_tokens = context_tokens;
        self.decoding = decoding;
        self.step_s = step_s;
    }

    pub(super) fn placed(&mut self, prompt_tokens: f64, stall_s: f64) {
        self.requests += 1.0;
        self.context_tokens += prompt_tokens;
        self.stall_s += stall_s;
    }

    pub(super) fn first_token(&mut self, prompt_tokens: f64) {
        self.decoding += 1.0;
        self.prefilled_tokens += (prompt_tokens - FREE_TOKENS).max(0.0);
    }

    pub(super) fn ended(&mut self, tokens: f64) {
        self.requests = (self.requests - 1.0).max(0.0);
        self.decoding = (self.decoding - 1.0).max(0.0);
        self.context_tokens = (self.context_tokens - tokens).max(0.0);
    }

    /// ρ: the share of time in which prompts stall decoding.
    pub(super) fn stalled_share(&self, now: Instant) -> f64 {
        let dt = now.seconds_since(self.at).max(0.0);
        (self.stall_s * (-dt / STALL_WINDOW_S).exp() / STALL_WINDOW_S).min(0.6)
    }

    pub(super) fn read(&self) -> Reading {
        Reading {
            at: self.at,
            request_seconds: self.request_seconds,
            context_seconds: self.context_seconds,
            prefilled_tokens: self.prefilled_tokens,
        }
    }

    /// What happened since a reading, for a request that made so many steps.
    pub(super) fn sample_since(&self, from: &Reading, steps: f64) -> Sample {
        let seconds = self.at.seconds_since(from.at);
        Sample {
            requests: (self.request_seconds - from.request_seconds) / seconds,
            context_tokens: (self.context_seconds - from.context_seconds) / seconds,
            prefill_tokens_per_step: (self.prefilled_tokens - from.prefilled_tokens) / steps,
            step_s: seconds / steps,
            weight: (steps / 100.0).min(2.0),
        }
    }
}
