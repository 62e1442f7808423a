//! What is known of a deployment's speed, and whether it can be relied on.

use super::fit::{Sample, Sums, generic};
use super::step::StepModel;
use crate::scheduling::profile::Profile;

/// How much of what was learned stays after one more request.
const KEEP: f64 = 0.998;
/// How fast the mean error follows the errors.
const ERROR_GAIN: f64 = 0.05;
/// The error that a model is taken to have at first that comes from a profile.
const PROFILE_ERROR: f64 = 0.15;
/// Beyond this error a model is not relied on.
const MOST_ERROR: f64 = 0.35;
/// Requests that a model without a profile needs.
const ENOUGH: u32 = 30;
/// An error further from the model than this many mean errors tells less.
const OUTLIER: f64 = 3.0;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Speed {
    prior: StepModel,
    profiled: bool,
    sums: Sums,
    samples: u32,
    model: StepModel,
    /// Mean of |ln(actual / expected)| of the time per step.
    error: f64,
    /// Mean of ln(actual / expected) of the pace that requests were placed by, and of its square.
    offset: (f64, f64),
}

// === impl Speed ===

impl Speed {
    /// Starts from a profile, or from nothing.
    pub(super) fn new(profile: Option<&Profile>) -> Self {
        let mut cells = Sums::default();
        let mut known = 0;
        for cell in profile.into_iter().flat_map(Profile::measurements) {
            let sample = sample_of(&cell);
            if sample.is_sane() {
                cells.add(&sample, 1.0);
                known += 1;
            }
        }
        let prior = cells.solve(&generic());
        let profiled = known > 0;
        let error = PROFILE_ERROR;
        Self { prior, profiled, sums: Sums::default(), samples: 0, model: prior, error, offset: (0.0, 0.03) }
    }

    /// The model.
    pub(super) fn model(&self) -> &StepModel {
        &self.model
    }

    /// Mean relative error of its predictions.
    pub(super) fn error(&self) -> f64 {
        self.error
    }

    pub(super) fn compare(&mut self, actual_s: f64, expected_s: f64) {
        let error = (actual_s / expected_s).ln().clamp(-1.0, 1.0);
        let (mean, square) = &mut self.offset;
        *mean += 0.02 * (error - *mean);
        *square += 0.02 * (error * error - *square);
    }

    pub(super) fn bias(&self) -> f64 {
        self.offset.0.exp()
    }

    pub(super) fn spread(&self) -> f64 {
        self.offset.1.sqrt().clamp(0.03, 0.4)
    }

    /// Whether to go by it.
    pub(super) fn is_good(&self) -> bool {
        (self.profiled || self.samples >= ENOUGH) && self.error < MOST_ERROR
    }

    /// Learns from a request that ended.
    pub(super) fn learn(&mut self, mut sample: Sample) {
        if !sample.is_sane() {
            return;
        }
        let error = (sample.step_s / sample.expected_s(&self.model)).ln().abs();
        if error > OUTLIER * self.error {
            sample.weight *= OUTLIER * self.error / error;
        }
        self.error += ERROR_GAIN * (error.min(1.0) - self.error);
        self.samples = self.samples.saturating_add(1);
        self.sums.add(&sample, KEEP);
        self.model = self.sums.solve(&self.prior);
    }
}

/// A cell of a profile as an observation: λ·E requests at once, on average half through their answers, while λ prompts come
/// in each second.
fn sample_of(cell: &crate::scheduling::profile::Measurement) -> Sample {
    let steps = cell.output_tokens - 1.0;
    let step_s = (cell.e2e_s - cell.ttft_s) / steps;
    let requests = cell.rate_per_s * cell.e2e_s;
    Sample {
        requests,
        context_tokens: requests * (cell.input_tokens + cell.output_tokens / 2.0),
        prefill_tokens_per_step: cell.rate_per_s * step_s * (cell.input_tokens - FREE_TOKENS).max(0.0),
        step_s,
        weight: (steps / 100.0).min(2.0),
    }
}

/// Tokens of a prompt that are computed beside decoding at no cost.
pub(super) const FREE_TOKENS: f64 = 60.0;
