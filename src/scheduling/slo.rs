//! Latency objectives of a request.

use std::time::Duration;

/// What a request must meet; all that are set must hold. All times count from arrival at the gateway, so waiting counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slo {
    /// Time to first token.
    pub ttft: Option<Duration>,
    /// Mean time per output token after the first.
    pub tpot: Option<Duration>,
    /// End to end.
    pub e2e: Option<Duration>,
    /// End to end, per output token (on top of [`Slo::e2e_base`]).
    pub e2e_per_output_token: Option<Duration>,
    /// The constant part of the objective per output token; without meaning alone.
    pub e2e_base: Option<Duration>,
    /// End to end, per token of input and output together (AIBrix's TPAT).
    pub e2e_per_token: Option<Duration>,
}
