//! Envoy's numbers, read back.

use std::collections::HashMap;
use std::io;

use prometheus_parse::{Scrape, Value};

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
        // Names may hold `: ` no more than values do; histograms are no numbers and are left out.
        let line = |line: &str| {
            let (name, value) = line.rsplit_once(": ")?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// The value of a counter or gauge; 0 where Envoy has none of that name (it creates many on first use).
    pub fn value(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }
}

// === impl Metrics ===

impl Metrics {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        Ok(Self(Scrape::parse(text.lines().map(|line| io::Result::Ok(line.to_owned())))?))
    }

    /// The sum of a metric's values over all samples that have these labels; for a histogram, of its counts. 0 where there
    /// is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        // The parser folds a histogram's series into one, whose count is a sample of its own.
        let matches = |sample: &&prometheus_parse::Sample| {
            sample.metric == name && labels.iter().all(|(label, value)| sample.labels.get(label) == Some(*value))
        };
        let number = |sample: &prometheus_parse::Sample| match sample.value {
            Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => value,
            Value::Histogram(_) | Value::Summary(_) => 0.0,
        };
        self.0.samples.iter().filter(matches).map(number).sum()
    }
}
