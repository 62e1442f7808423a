//! A point from another tool's single requests or figures.

use std::collections::BTreeMap;

use crate::measurement::{Ending, Latencies, Lengths, Point};

/// A rate that is completed to less than this share has a growing backlog. These tools count the drain of the last requests
/// too, so it is lower than it would have to be.
const STABLE_SHARE: f64 = 0.85;

/// Facts that all tools report of a run at one rate.
pub(super) struct Run {
    /// Requests per second that were offered.
    pub rate_per_s: f64,
    /// Requests per second that were completed.
    pub throughput_per_s: f64,
    /// Output tokens per second.
    pub output_tokens_per_s: f64,
    /// Duration, seconds.
    pub duration_s: f64,
    /// Mean tokens of the prompts.
    pub input_tokens: f64,
    /// Mean tokens of the answers.
    pub output_tokens: f64,
    /// Requests that failed.
    pub failed: u32,
    /// Times of the others.
    pub latencies: Latencies,
}

// === impl Run ===

impl Run {
    /// The cell is that of the mean lengths.
    pub(super) fn point(self) -> Point {
        let mut point = Point {
            output_tokens: self.output_tokens.round() as u32,
            input_tokens: self.input_tokens.round() as u32,
            rate_per_s: self.rate_per_s,
            arrived_per_s: None,
            arrivals: None,
            throughput_per_s: self.throughput_per_s,
            output_tokens_per_s: Some(self.output_tokens_per_s),
            ended: Ending::Complete,
            sustained: self.throughput_per_s >= STABLE_SHARE * self.rate_per_s,
            window_s: self.duration_s,
            sent: 0,
            failures: BTreeMap::new(),
            observed: Some(Lengths { input_tokens: Some(self.input_tokens), output_tokens: self.output_tokens }),
            concurrency: None,
            client_lag_s: None,
            latencies: self.latencies,
        };
        if self.failed > 0 {
            point.failures.insert("failed".to_owned(), self.failed);
        }
        point.sent = point.requests();
        point
    }
}
