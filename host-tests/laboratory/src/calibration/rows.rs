//! Benchmark rows: one JSON object a line, one line for each metric of a shape and rate.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use slo_router::scheduling::shape::Shape;

use super::Outcome;

/// A shape at a rate, and what was measured there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BenchmarkPoint {
    /// Of every request.
    pub shape: Shape,
    /// Nominal arrival rate.
    pub rate_per_s: f64,
    /// Measured result.
    pub measured: Outcome,
}

/// A line that is no benchmark row.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {error}")]
pub struct RowError {
    /// From 1.
    line: usize,
    error: serde_json::Error,
}

#[derive(Deserialize)]
struct Row {
    input_tokens: u32,
    output_tokens: u32,
    request_rate: f64,
    metric: String,
    /// Requests/s or seconds.
    mean: f64,
    /// Seconds; throughputs have none.
    #[serde(rename = "P50")]
    median_s: Option<f64>,
}

#[derive(Default)]
struct Metrics {
    throughput_per_s: Option<f64>,
    median_e2e: Option<Duration>,
}

// === impl BenchmarkPoint ===

impl BenchmarkPoint {
    /// All points of a file for which both the throughput and the end-to-end latency are there, by input, output and rate.
    ///
    /// # Errors
    /// At the first line that is neither empty nor a row.
    pub fn read(text: &str) -> Result<Vec<Self>, RowError> {
        let mut points: BTreeMap<(u32, u32, u64), Metrics> = BTreeMap::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let row: Row = serde_json::from_str(line).map_err(|error| RowError { line: index + 1, error })?;
            // The bits of positive numbers are in their order.
            let metrics = points.entry((row.input_tokens, row.output_tokens, row.request_rate.to_bits())).or_default();
            match row.metric.as_str() {
                "TPUT" => metrics.throughput_per_s = Some(row.mean),
                "E2E" => metrics.median_e2e = row.median_s.and_then(|median| Duration::try_from_secs_f64(median).ok()),
                _ => {}
            }
        }
        let point = |((input_tokens, output_tokens, rate), metrics): (_, Metrics)| {
            Some(Self {
                shape: Shape { output_tokens, input_tokens },
                rate_per_s: f64::from_bits(rate),
                measured: Outcome { throughput_per_s: metrics.throughput_per_s?, median_e2e: metrics.median_e2e? },
            })
        };
        Ok(points.into_iter().filter_map(point).collect())
    }
}
