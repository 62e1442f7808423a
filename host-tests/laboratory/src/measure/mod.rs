//! Bisects an engine's profile in virtual time: what `slo-profile`, which measures real servers with far fewer requests, is
//! proven against, and where the profiles of the simulated deployments come from.
//!
//! For each shape of a grid: Poisson arrivals of that shape alone, and a search for the highest rate at which the
//! objective holds for the asked percentile of the requests and the server keeps up. The profile is a document as AIBrix
//! writes it ([`document`]). Seeds are fixed, so the same engine gives the same profile.

mod document;
mod search;
#[cfg(test)]
mod tests;
mod trial;

use std::time::Duration;

use slo_router::scheduling::shape::Shape;

pub use self::document::ProfileDocument;
pub use self::search::highest_rate;
use self::trial::Means;
use crate::engine::EngineSpec;

/// Requests that are measured at each rate of a profile.
pub const REQUESTS: usize = 3_000;

/// Objective that the measured rate has to meet.
#[derive(Clone, Copy, Debug)]
pub struct Objective {
    /// End to end, per output token.
    pub e2e_per_output_token: Duration,
    /// Of how many requests in a hundred.
    pub percentile: u8,
}

/// The shapes of a profile, in tokens, both ascending.
#[derive(Clone, Debug)]
pub struct Grid {
    /// Output lengths: the rows.
    pub output_tokens: Vec<u32>,
    /// Prompt lengths: the columns.
    pub input_tokens: Vec<u32>,
}

/// Measurement of one shape.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// Requests completed per second at the highest rate that meets the objective; zero if none does.
    pub throughput_per_s: f64,
    /// Mean end-to-end latency there; of an idle server if the rate is zero.
    pub e2e: Duration,
    /// Mean time to first token there.
    pub ttft: Duration,
    /// Mean time per output token after the first there.
    pub tpot: Duration,
}

// === impl Objective ===

impl Objective {
    fn is_kept(&self, e2e: Duration, output_tokens: u32) -> bool {
        e2e <= self.e2e_per_output_token * output_tokens
    }

    /// Returns how many of so many requests may miss it.
    fn misses_allowed(&self, requests: usize) -> usize {
        requests * usize::from(100 - self.percentile.min(100)) / 100
    }
}

// === impl Grid ===

impl Grid {
    /// Powers of two: outputs from 16 to 512, inputs from 64 to 4,096.
    pub fn standard() -> Self {
        Self {
            output_tokens: (4..=9).map(|exponent| 1 << exponent).collect(),
            input_tokens: (6..=12).map(|exponent| 1 << exponent).collect(),
        }
    }

    /// Returns the number of its shapes.
    pub fn cells(&self) -> usize {
        self.output_tokens.len() * self.input_tokens.len()
    }

    /// Measures all of it; `progress` is called after each cell.
    pub fn measure(&self, spec: EngineSpec, objective: Objective, progress: impl Fn()) -> Vec<Vec<Cell>> {
        let cell = |output_tokens, input_tokens| {
            let cell = highest_rate(spec, Shape { output_tokens, input_tokens }, objective, REQUESTS);
            progress();
            cell
        };
        let row = |output| self.input_tokens.iter().map(|input| cell(output, *input)).collect();
        self.output_tokens.iter().map(|output| row(*output)).collect()
    }
}

// === impl Cell ===

impl Cell {
    fn new(throughput_per_s: f64, means: Means) -> Self {
        Self { throughput_per_s, e2e: means.e2e, ttft: means.ttft, tpot: means.tpot }
    }

    /// The share of a pod that one request of this shape takes, by Little's law; `None` if the rate is zero.
    pub fn load(&self) -> Option<f64> {
        let concurrency = self.throughput_per_s * self.e2e.as_secs_f64();
        (concurrency > 0.0).then(|| concurrency.recip())
    }
}
