//! The arrival rate at which attainment crosses a level, and how sure it is.
//!
//! Intervals are by bootstrap over the seeds: runs are drawn with replacement, the same ones at every rate and for every
//! policy since all of them see the same arrivals, and the crossing is found anew. So the ratio of two policies' goodput has
//! an interval of its own, in which what both have in common cancels out.

use std::cmp::Ordering;
use std::fmt;

use serde::Serialize;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 2_000;
/// Share of the resamples below the interval, and above it.
const TAIL: f64 = 0.025;
/// Resamples are the same in every report.
const SEED: u64 = 1;

/// Crossing of a level by a curve of attainment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Crossing {
    /// Below the lowest rate that was tried.
    Below(f64),
    /// Here, by interpolation between two rates.
    At(f64),
    /// Not up to the highest rate that was tried.
    AtLeast(f64),
}

/// A policy's attainment: for each rate, ascending, that of each run.
pub type CurveOfRuns = Vec<(f64, Vec<f64>)>;

/// A crossing with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Goodput {
    /// The level, 0 to 1.
    pub attainment: f64,
    /// Crossing of the level by the mean over all runs, requests per second.
    pub rate_per_s: Crossing,
    /// The interval's lower end.
    pub low: Crossing,
    /// The interval's upper end.
    pub high: Crossing,
    /// This rate divided by the reference's; `None` where one of them lies outside the rates that were tried.
    pub over_reference: Option<Ratio>,
}

/// A ratio with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// Of the means.
    pub ratio: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

// === impl Crossing ===

impl Crossing {
    /// Finds where `curve`, points of (rate, attainment) by ascending rate, first falls below
    /// `level`. `None` without a point.
    pub fn of(curve: &[(f64, f64)], level: f64) -> Option<Self> {
        let (first, last) = (curve.first()?, curve.last()?);
        if first.1 < level {
            return Some(Self::Below(first.0));
        }
        let falling = curve.windows(2).find_map(|pair| match *pair {
            [(low, kept), (high, missed)] if kept >= level && missed < level => {
                Some(low + (high - low) * (kept - level) / (kept - missed))
            }
            _ => None,
        });
        Some(falling.map_or(Self::AtLeast(last.0), Self::At))
    }

    /// The rate, if it is one and no bound.
    pub const fn rate_per_s(self) -> Option<f64> {
        if let Self::At(rate) = self { Some(rate) } else { None }
    }

    fn order(&self, other: &Self) -> Ordering {
        let key = |crossing: &Self| match *crossing {
            Self::Below(rate) => (0, rate),
            Self::At(rate) => (1, rate),
            Self::AtLeast(rate) => (2, rate),
        };
        let ((one, rate), (two, than)) = (key(self), key(other));
        one.cmp(&two).then(rate.total_cmp(&than))
    }
}

impl fmt::Display for Crossing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(rate) => write!(f, "< {rate}"),
            Self::At(rate) => write!(f, "{rate:.2}"),
            Self::AtLeast(rate) => write!(f, "≥ {rate}"),
        }
    }
}

// === impl Goodput ===

impl Goodput {
    /// Of this curve at `level`, against a reference's with runs of the same seeds. `None` without a point or a run.
    pub fn of(curve: &CurveOfRuns, reference: Option<&CurveOfRuns>, level: f64) -> Option<Self> {
        let runs = curve.first()?.1.len();
        let all: Vec<usize> = (0..runs).collect();
        let rate_per_s = crossing(curve, &all, level)?;
        let mut rng = fastrand::Rng::with_seed(SEED);
        let resamples: Vec<Vec<usize>> =
            (0..RESAMPLES).map(|_| (0..runs).map(|_| rng.usize(0..runs)).collect()).collect();
        let mut crossings: Vec<_> = resamples.iter().filter_map(|drawn| crossing(curve, drawn, level)).collect();
        crossings.sort_unstable_by(Crossing::order);
        let ratio = |drawn: &[usize]| {
            let of = |curve| crossing(curve, drawn, level)?.rate_per_s();
            Some(of(curve)? / of(reference?)?)
        };
        let mut ratios: Vec<f64> = resamples.iter().filter_map(|drawn| ratio(drawn)).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let over_reference = ratio(&all)
            .and_then(|ratio| Some(Ratio { ratio, low: *tail(&ratios, TAIL)?, high: *tail(&ratios, 1.0 - TAIL)? }));
        let (low, high) = (*tail(&crossings, TAIL)?, *tail(&crossings, 1.0 - TAIL)?);
        Some(Self { attainment: level, rate_per_s, low, high, over_reference })
    }
}

fn tail<T>(sorted: &[T], share: f64) -> Option<&T> {
    sorted.get(((sorted.len().checked_sub(1)?) as f64 * share).round() as usize)
}

/// Of the means over these runs.
fn crossing(curve: &CurveOfRuns, runs: &[usize], level: f64) -> Option<Crossing> {
    let mean = |of: &[f64]| runs.iter().map(|run| of[*run]).sum::<f64>() / runs.len() as f64;
    let means: Vec<_> = curve.iter().map(|(rate, of)| (*rate, mean(of))).collect();
    Crossing::of(&means, level)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURVE: [(f64, f64); 3] = [(4.0, 1.0), (6.0, 0.96), (8.0, 0.86)];

    #[test]
    fn a_level_is_crossed_between_the_rates_around_it() {
        let Some(Crossing::At(rate)) = Crossing::of(&CURVE, 0.91) else { panic!("inside the curve") };
        assert!((rate - 7.0).abs() < 1e-9, "{rate}");
    }

    #[test]
    fn what_lies_outside_the_rates_is_a_bound() {
        assert_eq!(Crossing::of(&CURVE[1..], 0.99), Some(Crossing::Below(6.0)));
        assert_eq!(Crossing::of(&CURVE, 0.5), Some(Crossing::AtLeast(8.0)));
        assert_eq!(Crossing::of(&[], 0.5), None);
    }

    #[test]
    fn runs_that_agree_leave_no_doubt_and_others_an_interval_around_the_mean() {
        let agreeing = CURVE.map(|(rate, kept)| (rate, vec![kept; 5])).to_vec();
        let sure = Goodput::of(&agreeing, None, 0.91).unwrap();
        assert_eq!((sure.low, sure.high), (sure.rate_per_s, sure.rate_per_s));
        let spread =
            CURVE.map(|(rate, kept)| (rate, (0..5).map(|run| kept - 0.01 * f64::from(run)).collect())).to_vec();
        let Goodput { low, high, rate_per_s, .. } = Goodput::of(&spread, None, 0.91).unwrap();
        assert!(low.rate_per_s() < rate_per_s.rate_per_s() && rate_per_s.rate_per_s() < high.rate_per_s());
    }

    #[test]
    fn what_two_policies_have_in_common_cancels_out_of_their_ratio() {
        let runs = |factor: f64| -> CurveOfRuns {
            [(2.0, 1.0), (4.0, 0.9), (8.0, 0.7)].map(|(rate, kept)| (factor * rate, vec![kept, kept - 0.05])).to_vec()
        };
        let Goodput { over_reference: Some(Ratio { ratio, low, high }), .. } =
            Goodput::of(&runs(1.5), Some(&runs(1.0)), 0.88).unwrap()
        else {
            panic!("both cross");
        };
        assert!([ratio, low, high].iter().all(|value| (value - 1.5).abs() < 1e-9), "{ratio} {low} {high}");
    }
}
