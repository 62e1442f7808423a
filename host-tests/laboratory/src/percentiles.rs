//! Percentiles and spreads.

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

/// Median and extremes of some values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// Half are less; between the middle two of an even number.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

// === impl Percentiles ===

impl Percentiles {
    /// `None` of nothing.
    pub fn of(mut spans: Vec<Duration>) -> Option<Self> {
        spans.sort_unstable();
        let at = |share| quantile(&spans, share).map(|span| span.as_secs_f64());
        Some(Self { p50: at(0.50)?, p90: at(0.90)?, p99: at(0.99)? })
    }
}

// === impl Spread ===

impl Spread {
    /// Of no values all are zero.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_unstable_by(f64::total_cmp);
        let (below, above) = (values.len().saturating_sub(1) / 2, values.len() / 2);
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        Self { min: at(0), median: f64::midpoint(at(below), at(above)), max: at(values.len().saturating_sub(1)) }
    }

    /// Returns it as `median (min to max)`, with so many decimals.
    pub fn text(self, decimals: usize) -> String {
        let Self { min, median, max } = self;
        format!("{median:.decimals$} ({min:.decimals$} to {max:.decimals$})")
    }
}

/// The least of the values, which ascend, that this share of them does not exceed; `None` of nothing.
pub fn quantile<T: Copy>(ascending: &[T], share: f64) -> Option<T> {
    // A hair less, since 0.99 · 200 is more than 198.
    let rank = (share * ascending.len() as f64 - 1e-9).ceil().max(1.0);
    ascending.get(rank as usize - 1).copied()
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

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 9.0].into_iter()).median, 3.0);
        assert_eq!(Spread::of([4.0, 1.0, 9.0].into_iter()).text(1), "4.0 (1.0 to 9.0)");
    }
}
