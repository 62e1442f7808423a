//! How fast a deployment is, as far as it is known, and whether that can be relied on.

use serde::{Deserialize, Serialize};

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
/// Lessons kept for the other VMs while they cannot be told.
const MOST_UNTOLD: usize = 256;

/// See the module.
#[derive(Clone, Debug)]
pub struct Speed {
    /// What a profile says; where there is none, that of a usual server.
    prior: StepModel,
    has_profile: bool,
    learned: Learned,
    /// Lessons that the other VMs were not told yet.
    untold: Vec<Sample>,
}

/// What requests have taught of a deployment, on whichever VM they ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    sums: Sums,
    /// The best fit; `None` before the first lesson.
    model: Option<StepModel>,
    lessons: u32,
    /// Moving mean of |ln(actual / predicted)| of the time per step, each predicted before it was learned from.
    error: f64,
    trusted: bool,
}

// === impl Speed ===

impl Speed {
    /// Starts from a profile, or from nothing.
    pub(super) fn new(profile: Option<&Profile>) -> Self {
        let mut speed = Self { prior: generic(), has_profile: false, learned: Learned::default(), untold: Vec::new() };
        speed.start_from(profile);
        speed
    }

    /// Takes a profile as the start, in place of the one before; what was learned stays.
    pub(super) fn start_from(&mut self, profile: Option<&Profile>) {
        let mut cells = Sums::default();
        self.has_profile = false;
        for sample in profile.into_iter().flat_map(Profile::measurements).filter_map(|cell| of_cell(&cell)) {
            cells.add(&sample, 1.0);
            self.has_profile = true;
        }
        self.prior = cells.solve(&generic(), &generic());
    }

    /// How long iterations take.
    pub fn model(&self) -> &StepModel {
        self.learned.model.as_ref().unwrap_or(&self.prior)
    }

    /// Mean relative error of its predictions.
    pub fn error(&self) -> f64 {
        self.learned.error
    }

    /// Whether to go by it.
    pub fn is_good(&self) -> bool {
        self.learned.trusted || (self.learned.lessons == 0 && self.has_profile)
    }

    /// Learns from a request that ended.
    pub(super) fn learn(&mut self, sample: Sample) {
        if !sample.is_sane() {
            return;
        }
        self.learned.learn(sample, &self.prior, self.has_profile);
        if self.untold.len() < MOST_UNTOLD {
            self.untold.push(sample);
        }
    }

    /// Whether the other VMs are to be told something.
    pub fn has_news(&self) -> bool {
        !self.untold.is_empty()
    }

    /// Adds what was learned here to what all VMs have learned.
    pub fn tell(&self, all: &mut Learned) {
        for sample in &self.untold {
            all.learn(*sample, &self.prior, self.has_profile);
        }
    }

    /// Takes what all VMs have learned, this one's lessons included.
    pub fn take(&mut self, all: Learned) {
        self.learned = all;
        self.untold.clear();
    }
}

// === impl Learned ===

impl Learned {
    fn learn(&mut self, mut sample: Sample, prior: &StepModel, has_profile: bool) {
        let from = *self.model.as_ref().unwrap_or(prior);
        let error = (sample.step_s / sample.expected_s(&from)).ln().abs().min(LARGEST);
        if error > OUTLIER * self.error {
            sample.weight *= OUTLIER * self.error / error;
        }
        let most = if self.trusted || (self.lessons == 0 && has_profile) { MOST_ERROR } else { SMALL_ERROR };
        self.error += ERROR_GAIN * (error - self.error);
        self.lessons = self.lessons.saturating_add(1);
        self.trusted = (has_profile || self.lessons >= ENOUGH) && self.error < most;
        self.sums.add(&sample, KEEP);
        self.model = Some(self.sums.solve(prior, &from));
    }
}

impl Default for Learned {
    fn default() -> Self {
        Self { sums: Sums::default(), model: None, lessons: 0, error: FIRST_ERROR, trusted: false }
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
