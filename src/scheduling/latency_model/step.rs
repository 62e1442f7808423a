//! Time of one iteration of a pod.
//!
//! A continuous-batching engine makes one token for each request in every iteration. Decoding is
//! bound by memory: it reads the weights once, and the keys and values of all context tokens. A
//! prompt is computed in the same iterations as others decode; while the arithmetic for it fits
//! into the time that reading takes it is free, what is more stalls everybody.

use serde::{Deserialize, Serialize};

/// The cost model of one deployment: seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepModel {
    /// a: an iteration whatever it holds (reading the weights, launching kernels).
    pub base_s: f64,
    /// b: each request in it.
    pub per_request_s: f64,
    /// c: each token of context that it reads, prompts and answers so far alike.
    pub per_context_token_s: f64,
    /// d: each token of a prompt that is computed.
    pub per_prefill_token_s: f64,
}

/// The share of an iteration's base in which arithmetic is free: the memory is busy, the cores are
/// not. The rest is overhead, with which nothing overlaps.
const FREE_SHARE: f64 = 0.85;

/// Tokens of a prompt that are computed beside decoding at no cost; about [`FREE_SHARE`]·a/d.
pub(super) const FREE_TOKENS: f64 = 60.0;

// === impl StepModel ===

impl StepModel {
    /// a + b·n + c·K: an iteration that decodes for n requests with K tokens of context together.
    pub fn step_s(&self, requests: f64, context_tokens: f64) -> f64 {
        self.base_s + self.per_request_s * requests + self.per_context_token_s * context_tokens
    }

    /// The same on a pod that takes so many times as long.
    pub fn slower_by(&self, factor: f64) -> Self {
        Self {
            base_s: self.base_s * factor,
            per_request_s: self.per_request_s * factor,
            per_context_token_s: self.per_context_token_s * factor,
            per_prefill_token_s: self.per_prefill_token_s * factor,
        }
    }

    /// max(0, d·(p + n) − W): by how much computing a prompt of p tokens holds up n requests that
    /// decode.
    pub fn stall_s(&self, prompt_tokens: f64, requests: f64) -> f64 {
        (self.per_prefill_token_s * (prompt_tokens + requests) - FREE_SHARE * self.base_s).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: StepModel =
        StepModel { base_s: 0.020, per_request_s: 1e-4, per_context_token_s: 1e-6, per_prefill_token_s: 2e-4 };

    #[test]
    fn a_step_reads_weights_requests_and_context() {
        // 20 ms + 10 · 0.1 ms + 5,000 · 1 µs = 26 ms
        assert!((MODEL.step_s(10.0, 5_000.0) - 0.026).abs() < 1e-12);
    }

    #[test]
    fn a_prompt_stalls_by_what_does_not_fit_beside_reading_the_weights() {
        // 0.2 ms · (500 + 10) − 0.85 · 20 ms = 102 ms − 17 ms
        assert!((MODEL.stall_s(500.0, 10.0) - 0.085).abs() < 1e-12);
        assert_eq!(MODEL.stall_s(70.0, 10.0), 0.0);
    }
}
