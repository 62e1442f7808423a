//! Correction for chance: arrivals that were denser or sparser than their rate.
//!
//! A window of a few hundred requests is mostly luck: whether the SLO is kept hangs on a handful of crowded moments. Against a
//! [model](crate::sharing) that saw the same arrivals, two thirds of that and more can be taken off.

use crate::measure::interval::{Share, share_of};
use crate::measurement::{Arrivals, Latencies, Point};
use crate::objective::Objective;
use crate::sharing::{Sharing, mean, quantile};

/// A step to another rate is at most this large.
const FARTHEST: f64 = 4.0;
/// Precision to which the tightest objective that a point keeps is found, as halvings of a range of this factor.
const TIGHTEST_HALVINGS: usize = 16;
const TIGHTEST_RANGE: f64 = 64.0;

/// A point, with the model of its server beside it.
#[derive(Clone, Debug)]
pub struct Fair<'a> {
    point: &'a Point,
    model: Sharing,
    /// The model's latencies in the point's own window.
    in_window_s: Vec<f64>,
    /// And in the long run at the point's rate, unless that is more than it can do.
    in_long_run_s: Option<Vec<f64>>,
}

// === impl Fair ===

impl<'a> Fair<'a> {
    /// `None` where arrivals are not known or requests failed.
    pub fn new(point: &'a Point, idle_e2e_s: f64) -> Option<Self> {
        let Latencies::Requests(requests) = &point.latencies else { return None };
        let Arrivals { sent_s, first } = point.arrivals.as_ref()?;
        let window = *first..first + requests.e2e_ms.len();
        let mean_e2e_s = point.e2e_s()?.mean;
        let model = Sharing::matching(idle_e2e_s, sent_s, window.clone(), mean_e2e_s);
        let in_window_s = model.latencies_s(sent_s).get(window)?.to_vec();
        Some(Self { point, model, in_window_s, in_long_run_s: model.in_the_long_run(point.rate_per_s) })
    }

    /// The share of requests that would keep the objective with luck neither way, and how sure it is.
    ///
    /// `level` is about what is expected of it: on the model that share keeps a limit of the model's own, as an SLO may be on
    /// times that it does not have. Where it hangs on how this window went, luck comes in again.
    pub fn share(&self, objective: &Objective, level: f64) -> Option<Share> {
        let long_run_s = self.in_long_run_s.as_ref()?;
        let limit_s = quantile(&mut long_run_s.clone(), level);
        let on_model = |latency_s: &f64| f64::from(u8::from(*latency_s <= limit_s));
        let expected = mean(&long_run_s.iter().map(on_model).collect::<Vec<_>>());
        let kept = self.point.each_kept(objective)?;
        let luckless: Vec<f64> = kept
            .into_iter()
            .zip(&self.in_window_s)
            .map(|(kept, latency_s)| f64::from(u8::from(kept)) - on_model(latency_s) + expected)
            .collect();
        Some(share_of(&luckless, self.point.rate_per_s * self.point.e2e_s()?.mean))
    }

    /// Factor by which the measured latency end to end, its mean or a percentile, is to be multiplied to be that of the long run.
    pub fn e2e_factor(&self, percentile: Option<u8>) -> f64 {
        let figure = |latencies_s: &[f64]| match percentile {
            None => mean(latencies_s),
            Some(percentile) => quantile(&mut latencies_s.to_vec(), f64::from(percentile) / 100.0),
        };
        self.in_long_run_s.as_ref().map_or(1.0, |long_run_s| figure(long_run_s) / figure(&self.in_window_s))
    }

    /// Likely place of the highest rate that holds.
    pub fn guess_per_s(&self, objective: &Objective) -> Option<f64> {
        let (mut low, mut high) = (TIGHTEST_RANGE.recip(), TIGHTEST_RANGE);
        for _ in 0..TIGHTEST_HALVINGS {
            let middle = f64::sqrt(low * high);
            let keeps = self.point.attainment(&objective.stretched(middle))? >= objective.share();
            if keeps { high = middle } else { low = middle }
        }
        let limit_s = quantile(&mut self.in_window_s.clone(), objective.share()) / high;
        let rate_per_s = self.point.rate_per_s;
        Some(self.model.rate_per_s(objective.share(), limit_s, rate_per_s / FARTHEST..rate_per_s * FARTHEST))
    }
}
