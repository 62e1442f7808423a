//! How fast a deployment is, as far as it is known, and whether that can be relied on.

use super::fit::{Sample, Sums, generic};
use super::step::{FREE_TOKENS, StepModel};
use crate::scheduling::profile::{Measurement, Profile};

/// How much of what was learned stays after one more request: 500 requests count.
const KEEP: f64 = 0.998;
/// How fast the error follows the errors of single requests.
const ERROR_GAIN: f64 = 0.05;
/// The error of a model from which nothing was predicted yet.
const FIRST_ERROR: f64 = 0.15;
/// Beyond this error a model is not relied on.
const MOST_ERROR: f64 = 0.3;
/// Below this error it is relied on again.
const SMALL_ERROR: f64 = 0.2;
/// Requests from which a model without a profile is learned.
const ENOUGH: u32 = 30;
/// What lies further from the model than so many times its error tells less.
const OUTLIER: f64 = 3.0;
/// The largest error of a single request that counts; ln 2.7.
const LARGEST: f64 = 1.0;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Speed {
    prior: StepModel,
    model: StepModel,
    sums: Sums,
    /// Requests to learn from before the model is relied on.
    missing: u32,
    /// Moving mean of |ln(actual / predicted)| of the time per step, each predicted before it was learned from.
    error: f64,
    good: bool,
}

// === impl Speed ===

impl Speed {
    /// Starts from a profile, or from nothing.
    pub(super) fn new(profile: Option<&Profile>) -> Self {
        let mut cells = Sums::default();
        let mut missing = ENOUGH;
        for sample in profile.into_iter().flat_map(Profile::measurements).filter_map(|cell| of_cell(&cell)) {
            cells.add(&sample, 1.0);
            missing = 0;
        }
        let prior = cells.solve(&generic(), &generic());
        Self { prior, model: prior, sums: Sums::default(), missing, error: FIRST_ERROR, good: missing == 0 }
    }

    /// The model.
    pub(super) fn model(&self) -> &StepModel {
        &self.model
    }

    /// Mean relative error of its predictions.
    pub(super) fn error(&self) -> f64 {
        self.error
    }

    /// Whether to go by it.
    pub(super) fn is_good(&self) -> bool {
        self.good
    }

    /// Learns from a request that ended.
    pub(super) fn learn(&mut self, mut sample: Sample) {
        if !sample.is_sane() {
            return;
        }
        let error = (sample.step_s / sample.expected_s(&self.model)).ln().abs().min(LARGEST);
        if error > OUTLIER * self.error {
            sample.weight *= OUTLIER * self.error / error;
        }
        self.error += ERROR_GAIN * (error - self.error);
        self.missing = self.missing.saturating_sub(1);
        self.good = self.missing == 0 && self.error < if self.good { MOST_ERROR } else { SMALL_ERROR };
        self.sums.add(&sample, KEEP);
        self.model = self.sums.solve(&self.prior, &self.model);
    }
}

/// A cell of a profile as an observation: λ·E requests at once, on average half through their answers, while λ prompts come
/// in each second.
fn of_cell(cell: &Measurement) -> Option<Sample> {
    let steps = cell.output_tokens - 1.0;
    let step_s = (cell.e2e_s - cell.ttft_s) / steps;
    let requests = cell.rate_per_s * cell.e2e_s;
    let sample = Sample {
        requests,
        context_tokens: requests * (cell.input_tokens + cell.output_tokens / 2.0),
        prefill_tokens_per_step: cell.rate_per_s * step_s * (cell.input_tokens - FREE_TOKENS).max(0.0),
        step_s,
        weight: Sample::weight_of(steps),
    };
    Some(sample).filter(Sample::is_sane)
}
