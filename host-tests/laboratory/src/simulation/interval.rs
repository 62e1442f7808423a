//! A mean over runs and how sure it is.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// Two-sided confidence of the intervals.
const CONFIDENCE: f64 = 0.95;

/// A mean with half of its confidence interval, of 95 % unless said otherwise (Student's t over
/// the runs).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Mean over the runs.
    pub mean: f64,
    /// The mean lies within so much of the truth in 95 of 100 experiments; `None` from one run.
    pub half_width: Option<f64>,
}

// === impl Interval ===

impl Interval {
    /// `None` of nothing.
    pub fn of(values: &[f64]) -> Option<Self> {
        Self::with_confidence(values, CONFIDENCE)
    }

    /// The same with another two-sided confidence, from 0 to 1.
    pub fn with_confidence(values: &[f64], confidence: f64) -> Option<Self> {
        let runs = values.len() as f64;
        let mean = (!values.is_empty()).then(|| values.iter().sum::<f64>() / runs)?;
        let freedom = runs - 1.0;
        let half_width = StudentsT::new(0.0, 1.0, freedom).ok().map(|student| {
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / freedom;
            student.inverse_cdf(0.5 + confidence / 2.0) * (variance / runs).sqrt()
        });
        Some(Self { mean, half_width })
    }

    /// The least and the most that the truth may be; the mean itself from one run.
    pub fn ends(self) -> (f64, f64) {
        let half_width = self.half_width.unwrap_or(0.0);
        (self.mean - half_width, self.mean + half_width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_runs_have_the_interval_of_the_tables() {
        // t(0.975, 2) = 4.3027; the sample deviation of 1, 2, 3 is 1.
        let Interval { mean, half_width } = Interval::of(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!(mean, 2.0);
        assert!((half_width.unwrap() - 4.3027 / 3.0_f64.sqrt()).abs() < 1e-4, "{half_width:?}");
    }

    #[test]
    fn one_run_has_a_mean_without_an_interval_and_none_has_nothing() {
        assert_eq!(Interval::of(&[0.5]), Some(Interval { mean: 0.5, half_width: None }));
        assert_eq!(Interval::of(&[]), None);
    }
}
