//! Distribution of a figure over the requests of a point.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The percentiles that a profile tells, beside the mean.
pub const PERCENTILES: [u8; 4] = [50, 90, 95, 99];

/// A mean and some percentiles, in the unit of the figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// Percentile (1 to 99) to value; whatever is known.
    #[serde(default)]
    pub percentiles: BTreeMap<u8, f64>,
}

// === impl Spread ===

impl Spread {
    /// Of these values, with [`PERCENTILES`] by linear interpolation (numpy's default); `None` of no values.
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let mean = sorted.iter().sum::<f64>() / sorted.len() as f64;
        let percentiles = PERCENTILES.iter().map(|percent| (*percent, percentile(&sorted, *percent))).collect();
        (!sorted.is_empty()).then_some(Self { mean, percentiles })
    }

    /// The mean for `None`, else the percentile, where it is known.
    pub fn at(&self, percentile: Option<u8>) -> Option<f64> {
        percentile.map_or(Some(self.mean), |percentile| self.percentiles.get(&percentile).copied())
    }
}

/// Of ascending values; 0 of none.
fn percentile(sorted: &[f64], percent: u8) -> f64 {
    let place = (sorted.len().max(1) - 1) as f64 * f64::from(percent) / 100.0;
    let at = |index: usize| sorted.get(index).or(sorted.last()).copied().unwrap_or(0.0);
    let below = place.floor();
    at(below as usize) + (at(below as usize + 1) - at(below as usize)) * (place - below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_lies_between_its_neighbours_as_numpy_has_it() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0].into_iter()).unwrap();
        assert_eq!(spread.mean, 2.5);
        assert_eq!(spread.at(Some(50)), Some(2.5));
        assert!((spread.at(Some(90)).unwrap() - 3.7).abs() < 1e-12);
        assert_eq!(spread.at(Some(42)), None);
    }

    #[test]
    fn nothing_has_no_spread() {
        assert_eq!(Spread::of(std::iter::empty()), None);
    }
}
