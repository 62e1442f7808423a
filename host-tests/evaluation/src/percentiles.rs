//! Percentiles of times.

use std::time::Duration;

use serde::Serialize;

/// Percentiles (nearest rank) in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    /// Median.
    pub p50: f64,
    /// 90 % are at most this.
    pub p90: f64,
    /// 99 % are at most this.
    pub p99: f64,
}

// === impl Percentiles ===

impl Percentiles {
    /// `None` of nothing.
    pub fn of(mut spans: Vec<Duration>) -> Option<Self> {
        spans.sort_unstable();
        let rank = |percent: usize| {
            let rank = (spans.len() * percent).div_ceil(100).max(1);
            spans.get(rank - 1).map(Duration::as_secs_f64)
        };
        Some(Self { p50: rank(50)?, p90: rank(90)?, p99: rank(99)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let spans = (1..=200).map(Duration::from_secs).collect();
        assert_eq!(Percentiles::of(spans), Some(Percentiles { p50: 100.0, p90: 180.0, p99: 198.0 }));
        assert_eq!(Percentiles::of(vec![]), None);
    }
}
