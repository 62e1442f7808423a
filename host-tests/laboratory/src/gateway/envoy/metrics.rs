//! Envoy's numbers, read back.

use std::collections::HashMap;
use std::io;

use prometheus_parse::{Sample, Scrape, Value};

use super::Error;

/// Counters and gauges by Envoy's own names.
#[derive(Debug)]
pub struct Stats(HashMap<String, u64>);

/// Metrics by name and labels.
#[derive(Debug)]
pub struct Metrics(Scrape);

// === impl Stats ===

impl Stats {
    pub(super) fn parse(text: &str) -> Self {
        // Histograms are no numbers and are left out.
        let line = |line: &str| {
            let (name, value) = line.rsplit_once(": ")?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// The value of a counter or gauge; `None` where Envoy has none of that name, or not yet: it creates many on first use.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }
}

// === impl Metrics ===

impl Metrics {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        Ok(Self(Scrape::parse(text.lines().map(|line| io::Result::Ok(line.to_owned())))?))
    }

    /// The sum of a metric's values over all samples that have these labels; `None` where there is no such sample. A
    /// histogram's count is a metric of its own, its name with `_count`.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let matches = |sample: &&Sample| {
            sample.metric == name && labels.iter().all(|(label, value)| sample.labels.get(label) == Some(*value))
        };
        let number = |sample: &Sample| match sample.value {
            Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => Some(value),
            Value::Histogram(_) | Value::Summary(_) => None,
        };
        self.0.samples.iter().filter(matches).filter_map(number).reduce(|sum, value| sum + value)
    }
}
