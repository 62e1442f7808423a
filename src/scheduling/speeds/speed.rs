//! How fast a deployment is, as far as it is known, and whether that can be relied on.

use serde::{Deserialize, Serialize};

use super::deviation::Deviations;
use super::fit::{Sample, Sums, generic};
use super::step::{FREE_TOKENS, StepModel};
use crate::scheduling::pool::PodId;
use crate::scheduling::profile::{Measurement, Profile};

/// How much of what was learned fades with one more lesson of weight 1: 500 of them count.
const FADE: f64 = 0.002;
/// How fast error and bias follow those of single requests.
const ERROR_GAIN: f64 = 0.05;
/// The error of a model from which nothing was predicted yet.
const FIRST_ERROR: f64 = 0.15;
/// A model is not relied on while it is off by more than this...
const MOST: Trust = Trust { bias: 0.3, error: 0.6 };
/// ... and is relied on again when it is off by less than this.
const SMALL: Trust = Trust { bias: 0.2, error: 0.4 };
/// Requests from which a model without a profile is learned.
const ENOUGH: u32 = 30;
/// What lies further from the model than so many times its error tells less.
const OUTLIER: f64 = 3.0;
/// The largest error of a single request that counts; ln 2.7.
const LARGEST: f64 = 1.0;
/// What a pod usually runs.
const USUAL_REQUESTS: f64 = 10.0;
const USUAL_CONTEXT_TOKENS: f64 = 6_000.0;
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
    untold: Vec<(PodId, Sample)>,
}

/// How far a model may be off, as ln(actual / predicted) of the time per step.
///
/// What it gets wrong as a whole, its bias, leads every decision astray. Scatter around it is mostly the requests' own (of
/// speculative decoding each has luck of its own) and only widens what is predicted; without the model placements would know
/// no more of it. So little bias is allowed, and much scatter.
struct Trust {
    bias: f64,
    error: f64,
}

/// What requests have taught of a deployment, on whichever VM they ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    sums: Sums,
    /// The best fit; `None` before the first lesson.
    model: Option<StepModel>,
    lessons: u32,
    /// Pods that are slower or faster than the others.
    deviations: Deviations,
    /// Moving mean of |ln(actual / predicted)| of the time per step, each predicted before it was learned from.
    error: f64,
    /// Moving mean of the same with its sign: whether all take longer, or less long, than predicted.
    bias: f64,
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
            cells.add(&sample, sample.step_s, 1.0);
            self.has_profile = true;
        }
        self.prior = cells.solve(&generic());
    }

    /// How long iterations take on a pod as they all are.
    pub fn model(&self) -> &StepModel {
        self.learned.model.as_ref().unwrap_or(&self.prior)
    }

    /// How long they take on this pod.
    pub fn model_of(&self, pod: PodId) -> StepModel {
        self.model().slower_by(self.factor_of(pod))
    }

    /// How many times as long as on the others they take on this pod.
    pub fn factor_of(&self, pod: PodId) -> f64 {
        self.learned.deviations.factor_of(pod, self.learned.error)
    }

    /// Forgets pods that are gone.
    pub(super) fn keep_to(&mut self, pods: &[PodId]) {
        self.learned.deviations.keep_to(pods);
    }

    /// How many times as long as its start says an iteration takes that is neither empty nor full.
    pub fn of_prior(&self) -> f64 {
        self.model().step_s(USUAL_REQUESTS, USUAL_CONTEXT_TOKENS)
            / self.prior.step_s(USUAL_REQUESTS, USUAL_CONTEXT_TOKENS)
    }

    /// Mean relative error of its predictions.
    pub fn error(&self) -> f64 {
        self.learned.error
    }

    /// Whether to go by it.
    pub fn is_good(&self) -> bool {
        self.learned.trusted || (self.learned.lessons == 0 && self.has_profile)
    }

    /// Learns from what a request took on a pod.
    pub(super) fn learn(&mut self, pod: PodId, sample: Sample) {
        if !sample.is_sane() {
            return;
        }
        self.learned.learn(pod, sample, &self.prior, self.has_profile);
        if self.untold.len() < MOST_UNTOLD {
            self.untold.push((pod, sample));
        }
    }

    /// Whether the other VMs are to be told something.
    pub fn has_news(&self) -> bool {
        !self.untold.is_empty()
    }

    /// Adds what was learned here to what all VMs have learned.
    pub fn tell(&self, all: &mut Learned) {
        for (pod, sample) in &self.untold {
            all.learn(*pod, *sample, &self.prior, self.has_profile);
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
    fn learn(&mut self, pod: PodId, mut sample: Sample, prior: &StepModel, has_profile: bool) {
        let from = *self.model.as_ref().unwrap_or(prior);
        let residual = (sample.step_s / sample.expected_s(&from)).ln().clamp(-LARGEST, LARGEST);
        let effect = self.deviations.learn(pod, sample.requests, residual, sample.weight);
        sample.step_s /= effect.exp();
        let off = residual - effect;
        let error = off.abs();
        if error > OUTLIER * self.error {
            sample.weight *= OUTLIER * self.error / error;
        }
        let most = if self.trusted || (self.lessons == 0 && has_profile) { MOST } else { SMALL };
        self.error += ERROR_GAIN * (error - self.error);
        self.bias += ERROR_GAIN * (off - self.bias);
        self.lessons = self.lessons.saturating_add(1);
        let is_near = self.bias.abs() < most.bias && self.error < most.error;
        self.trusted = is_near && (has_profile || self.lessons >= ENOUGH);
        self.sums.add(&sample, sample.expected_s(&from), 1.0 - FADE * sample.weight);
        self.model = Some(self.sums.solve(prior));
    }
}

impl Default for Learned {
    fn default() -> Self {
        Self {
            sums: Sums::default(),
            model: None,
            lessons: 0,
            deviations: Deviations::default(),
            error: FIRST_ERROR,
            bias: 0.0,
            trusted: false,
        }
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
