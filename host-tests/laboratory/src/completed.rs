//! A complete answer as its client saw it.

use std::time::Duration;

/// An answer's figures, from when the request was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completed {
    /// Until its first token.
    pub ttft: Duration,
    /// Until its end.
    pub e2e: Duration,
    /// Tokens by the server's own count.
    pub output_tokens: u32,
}

// === impl Completed ===

impl Completed {
    /// Mean time per output token after the first; none if there is one only.
    pub fn tpot(&self) -> Option<Duration> {
        (self.output_tokens > 1).then(|| (self.e2e - self.ttft) / (self.output_tokens - 1))
    }

    /// End-to-end latency per output token.
    pub fn latency_per_token(&self) -> Duration {
        self.e2e / self.output_tokens.max(1)
    }
}
