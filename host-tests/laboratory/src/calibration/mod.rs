//! Calibration of the engine against published benchmark rows: the same shapes and rates, run again
//! in virtual time.
//!
//! The rows come out best with 512 tokens per iteration, which is not what vLLM starts with today (2,048, see
//! [`Batching::default_of`](crate::engine::Batching::default_of)): with that, throughputs are the same, but prompts that overload a server delay
//! the answers beside them more.
//!
//! The rows are those of AIBrix's benchmark tool, as its repository holds them for Llama-2-7B on an A100 and an A40 (served there by a
//! simulator that was fitted to measurements of real GPUs). For each shape and rate, 100 requests come to an idle server.
//! What can be compared is the throughput and the end-to-end latency. What cannot:
//!
//! - *Time to first token*: the tool takes it after the response's headers have come, some 10 µs before the first chunk.
//! - *Time per output token*: zero in all rows, as the answers were not streamed.
//! - *A lone request with a short answer*: 30 ms and more of each are the tool's or its server's own. The engine has none of that: its median
//!   latency is 0.6 of the published one for 4 tokens of answer, 0.9 for 16, 1.0 from 32 on.
//! - *The tail at low rates*: there a request may be held until the next one arrives, so that its 99th percentile is the longest gap
//!   between two arrivals, however short the work. Medians hardly feel it.

mod ratios;
mod rows;
#[cfg(test)]
mod tests;

use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};
use slo_router::scheduling::time::Instant;

pub use self::ratios::Ratios;
pub use self::rows::{BenchmarkPoint, RowError};
use crate::engine::{Detail, Engine, EngineSpec, EventKind};

/// Requests of a point.
const REQUESTS: usize = 100;
/// Mean gap of the rows' arrivals at a nominal rate of 1/s. All rows have the same gaps, whose mean is that of the first
/// hundred exponential ones of NumPy's generator with seed 0.
const MEAN_GAP: f64 = 0.9186;
/// Number of runs of a point, each with gaps of its own and the same mean.
const SEEDS: u64 = 5;

/// Result of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Requests completed per second, from the first arrival to the last end.
    pub throughput_per_s: f64,
    /// Median end-to-end latency.
    pub median_e2e: Duration,
}

// === impl Outcome ===

impl Outcome {
    /// The engine's, in the mean over some runs.
    pub fn of_engine(spec: EngineSpec, point: &BenchmarkPoint) -> Self {
        let runs: Vec<_> = (0..SEEDS).map(|seed| run(spec, point, seed)).collect();
        let mean = |value: fn(&Self) -> f64| runs.iter().map(value).sum::<f64>() / runs.len() as f64;
        Self {
            throughput_per_s: mean(|run| run.throughput_per_s),
            median_e2e: Duration::from_secs_f64(mean(|run| run.median_e2e.as_secs_f64())),
        }
    }
}

fn run(spec: EngineSpec, point: &BenchmarkPoint, seed: u64) -> Outcome {
    let arrivals = arrivals(point.rate_per_s, seed);
    let BenchmarkPoint { shape, .. } = point;
    let mut ends = vec![Instant::ZERO; arrivals.len()];
    let requests = arrivals.iter().map(|at| (*at, shape.input_tokens, shape.output_tokens));
    // A shape that no cache holds has an end at its start, which the ratios show.
    let _ = Engine::new(spec).telling(Detail::Milestones).serve(requests, |event| {
        if matches!(event.kind, EventKind::Finished { .. }) {
            ends[event.id as usize] = event.at;
        }
        Some(())
    });
    let mut latencies: Vec<_> = ends.iter().zip(&arrivals).map(|(end, arrival)| end.since(*arrival)).collect();
    latencies.sort_unstable();
    let span = ends.iter().max().map_or(Duration::ZERO, |last| last.since(Instant::ZERO));
    Outcome { throughput_per_s: REQUESTS as f64 / span.as_secs_f64(), median_e2e: latencies[REQUESTS / 2] }
}

/// Exponential gaps, scaled so that all together are as long as the rows'.
fn arrivals(rate_per_s: f64, seed: u64) -> Vec<Instant> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let gaps: Vec<f64> = (0..REQUESTS).map(|_| Exp1.sample(&mut rng)).collect();
    let scale = MEAN_GAP * REQUESTS as f64 / (gaps.iter().sum::<f64>() * rate_per_s);
    // The first comes at once: the gaps lie between two requests and after the last.
    let at = gaps.iter().scan(0.0, |at_s, gap| Some(std::mem::replace(at_s, *at_s + gap * scale)));
    at.map(|at_s| Instant::ZERO.offset_seconds(at_s)).collect()
}
