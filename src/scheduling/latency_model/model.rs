//! Latency model of a deployment, as far as it is known, and whether that can be relied on.

use serde::{Deserialize, Serialize};

use super::deviation::Deviations;
use super::fit::{Sample, Sums, generic};
use super::observation::ExpectedPrompt;
use super::prompts::{ComputedPrompt, ComputedShares, Prompts};
use super::step::{FREE_TOKENS, StepModel};
use super::sustained::{Stay, Sustained};
use crate::scheduling::pool::PodId;
use crate::scheduling::profile::{Measurement, Profile};

/// Share of what was learned that fades with one more lesson of weight 1: 500 of them count.
const FADE: f64 = 0.002;
/// Rate at which error and bias follow those of single requests.
const ERROR_GAIN: f64 = 0.05;
/// The error of a model from which nothing was predicted yet.
const FIRST_ERROR: f64 = 0.15;
/// A model is not relied on while it is off by more than this as a whole, as ln(actual /
/// predicted)...
const MOST_BIAS: f64 = 0.3;
/// ... and is relied on again when it is off by less than this.
const SMALL_BIAS: f64 = 0.2;
/// A bias below this, ln, is not taken for a change of all iterations alike.
const SMALLEST_COMMON: f64 = 0.15;
/// The share of such a change that the model takes up with each lesson of weight 1.
const SHIFT_GAIN: f64 = 0.1;
/// The most that a deployment is slower or faster than its start says.
const MOST_SLOWNESS: f64 = 100.0;
/// Requests from which a model without a profile is learned.
const ENOUGH: u32 = 30;
/// Multiple of the model's error beyond which an observation counts less.
const OUTLIER: f64 = 3.0;
/// The largest error of a single request that counts; ln 2.7.
const LARGEST: f64 = 1.0;
/// Requests and context that a pod usually runs.
const USUAL_REQUESTS: f64 = 10.0;
const USUAL_CONTEXT_TOKENS: f64 = 6_000.0;
/// Lessons kept for the other VMs while they cannot be shared.
const MOST_UNTOLD: usize = 256;

/// See the module.
#[derive(Clone, Debug)]
pub struct LatencyModel {
    /// Model by a profile; where there is none, that of a usual server.
    prior: StepModel,
    has_profile: bool,
    learned: Learned,
    /// Lessons that were not shared with the other VMs yet.
    untold: Vec<Lesson>,
}

/// Lesson from one request.
#[derive(Clone, Copy, Debug)]
enum Lesson {
    /// Time of its steps on a pod.
    Steps(PodId, Sample),
    /// The time of the iterations in which a prompt was computed.
    Prefill(PodId, Sample),
    /// Share of its prompt that was computed.
    Prompt(ComputedPrompt),
    /// Time that it took on its pod, and whether that was soon enough.
    Stay(Stay),
}

/// Knowledge of a deployment that requests have taught, on whichever VM they ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    sums: Sums,
    /// The best fit; `None` before the first lesson.
    model: Option<StepModel>,
    lessons: u32,
    /// The factor by which everything takes longer than the start says, as far as that was seen in
    /// all lessons at once.
    slowness: f64,
    /// Pods that are slower or faster than the others.
    deviations: Deviations,
    /// Shares of prompts that prefix caches spare.
    prompts: Prompts,
    /// Requests that a pod sustains at once.
    sustained: Sustained,
    /// Moving mean of |ln(actual / predicted)| of the time per step, each predicted before it was
    /// learned from.
    error: f64,
    /// Moving mean of the same with its sign: whether all take longer, or less long, than
    /// predicted.
    bias: f64,
    trusted: bool,
}

// === impl LatencyModel ===

impl LatencyModel {
    /// Starts from a profile, or from nothing.
    pub(super) fn new(profile: Option<&Profile>) -> Self {
        let mut latency_model =
            Self { prior: generic(), has_profile: false, learned: Learned::default(), untold: Vec::new() };
        latency_model.start_from(profile);
        latency_model
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

    /// Returns the step model of a pod as they all are.
    pub fn model(&self) -> &StepModel {
        self.learned.model.as_ref().unwrap_or(&self.prior)
    }

    /// Returns the step model of this pod.
    pub fn model_of(&self, pod: PodId) -> StepModel {
        self.model().slower_by(self.factor_of(pod))
    }

    /// Returns the factor by which iterations take longer on this pod than on the others.
    pub fn factor_of(&self, pod: PodId) -> f64 {
        self.learned.deviations.factor_of(pod, self.learned.error)
    }

    /// Forgets pods that are gone.
    pub(super) fn keep_to(&mut self, pods: &[PodId]) {
        self.learned.deviations.keep_to(pods);
    }

    /// Returns the factor by which an iteration that is neither empty nor full takes longer than
    /// its start says.
    pub fn of_prior(&self) -> f64 {
        self.model().step_s(USUAL_REQUESTS, USUAL_CONTEXT_TOKENS)
            / self.prior.step_s(USUAL_REQUESTS, USUAL_CONTEXT_TOKENS)
    }

    /// Mean relative error of its predictions.
    pub fn error(&self) -> f64 {
        self.learned.error
    }

    /// Returns `true` if it can be relied on.
    pub fn is_good(&self) -> bool {
        self.learned.trusted || (self.learned.lessons == 0 && self.has_profile)
    }

    /// Learns from what a request took on a pod.
    pub(super) fn learn(&mut self, pod: PodId, sample: Sample) {
        if !sample.is_sane() {
            return;
        }
        self.note(Lesson::Steps(pod, sample));
    }

    /// Learns how much of a prompt was computed.
    pub(super) fn learn_prompt(&mut self, computed: ComputedPrompt) {
        self.note(Lesson::Prompt(computed));
    }

    /// Learns from the first token after a prompt that no other prompt held up: a sample that
    /// depends on how many of its tokens were computed. Where servers do not tell, a prompt that
    /// took longer than all of it should have was computed as a whole, and one that took less says
    /// nothing: a cache or a faster pod would look the same.
    pub(super) fn learn_prefill(&mut self, pod: PodId, prompt: &ExpectedPrompt, sample: impl Fn(f64) -> Sample) {
        let (expected, whole) = (sample(prompt.computed_tokens), sample(prompt.tokens));
        let is_slow = whole.step_s > whole.expected_s(&self.model_of(pod));
        let sample = if self.learned.prompts.are_told() { expected } else { whole };
        if sample.is_sane() && (self.learned.prompts.are_told() || is_slow) {
            self.note(Lesson::Prefill(pod, sample));
        }
    }

    /// Learns from how long a request took on its pod, and whether that was soon enough.
    pub(super) fn learn_stay(&mut self, stay: Stay) {
        self.note(Lesson::Stay(stay));
    }

    /// Returns the most requests that a pod is to have at once, by which objectives were kept;
    /// `None` where it never had too many.
    pub fn sustained_requests(&self) -> Option<u32> {
        self.learned.sustained.limit()
    }

    fn note(&mut self, lesson: Lesson) {
        self.learned.learn(lesson, &self.prior, self.has_profile);
        if self.untold.len() < MOST_UNTOLD {
            self.untold.push(lesson);
        }
    }

    /// The share of prompts that is computed.
    pub fn computed_shares(&self) -> ComputedShares {
        self.learned.prompts.shares()
    }

    /// The same of prompts of which nothing is expected in their pod's cache.
    pub fn unexpected_shares(&self) -> ComputedShares {
        self.learned.prompts.unexpected_shares()
    }

    /// Returns `true` if there are lessons to share with the other VMs.
    pub fn has_news(&self) -> bool {
        !self.untold.is_empty()
    }

    /// Adds what was learned here to what all VMs have learned.
    pub fn tell(&self, all: &mut Learned) {
        self.untold.iter().for_each(|lesson| all.learn(*lesson, &self.prior, self.has_profile));
    }

    /// Takes what all VMs have learned, this one's lessons included.
    pub fn take(&mut self, all: Learned) {
        self.learned = all;
        self.untold.clear();
    }
}

// === impl Learned ===

impl Learned {
    fn learn(&mut self, lesson: Lesson, prior: &StepModel, has_profile: bool) {
        match lesson {
            Lesson::Steps(pod, sample) => self.learn_steps(pod, sample, prior, has_profile),
            Lesson::Prefill(pod, sample) => self.learn_prefill(pod, sample, prior),
            Lesson::Prompt(computed) => self.prompts.learn(&computed),
            Lesson::Stay(stay) => self.sustained.learn(stay),
        }
    }

    fn learn_steps(&mut self, pod: PodId, mut sample: Sample, prior: &StepModel, has_profile: bool) {
        let from = *self.model.as_ref().unwrap_or(prior);
        let residual = (sample.step_s / sample.expected_s(&from)).ln().clamp(-LARGEST, LARGEST);
        let effect = self.deviations.learn(pod, sample.requests, residual, sample.weight);
        let off = residual - effect;
        let most = if self.trusted || (self.lessons == 0 && has_profile) { MOST_BIAS } else { SMALL_BIAS };
        self.bias += ERROR_GAIN * (off - self.bias);
        let common = self.common();
        sample.step_s /= (effect + common).exp();
        sample.weight *= self.credibility(off - common);
        self.error += ERROR_GAIN * (off.abs() - self.error);
        self.lessons = self.lessons.saturating_add(1);
        // What it gets wrong as a whole leads every decision astray. Scatter around it is mostly
        // the requests' own (of speculative decoding each has luck of its own) and only widens what
        // is predicted, by degrees.
        self.trusted = self.bias.abs() < most && (has_profile || self.lessons >= ENOUGH);
        self.sums.add(&sample, sample.expected_s(&from), 1.0 - FADE * sample.weight);
        self.shift(SHIFT_GAIN * sample.weight * common);
        self.model = Some(self.sums.solve(&prior.slower_by(self.slowness)));
    }

    fn learn_prefill(&mut self, pod: PodId, mut sample: Sample, prior: &StepModel) {
        let from = *self.model.as_ref().unwrap_or(prior);
        sample.step_s /= self.deviations.factor_of(pod, self.error);
        let expected_s = sample.expected_s(&from);
        sample.weight *= self.credibility((sample.step_s / expected_s).ln());
        self.sums.add(&sample, expected_s, 1.0 - FADE * sample.weight);
        self.model = Some(self.sums.solve(&prior.slower_by(self.slowness)));
    }

    /// The share that a lesson counts which is so far off, ln.
    fn credibility(&self, off: f64) -> f64 {
        (OUTLIER * self.error / off.abs()).min(1.0)
    }

    /// The part that all lessons of late have in common and the model lacks, ln: pods that have
    /// warmed up, or a clock that is throttled, change everything by one factor. Less than
    /// [`SMALLEST_COMMON`] is left to the fit, which knows at which loads it was seen.
    fn common(&self) -> f64 {
        (self.bias.abs() - SMALLEST_COMMON).max(0.0).copysign(self.bias)
    }

    /// Takes so much, ln, for a change of all that was learned.
    fn shift(&mut self, by: f64) {
        self.slowness = (self.slowness * by.exp()).clamp(1.0 / MOST_SLOWNESS, MOST_SLOWNESS);
        self.sums.slow_down(by.exp());
        self.deviations.shift(by);
        self.bias -= by;
    }
}

impl Default for Learned {
    fn default() -> Self {
        Self {
            sums: Sums::default(),
            model: None,
            lessons: 0,
            slowness: 1.0,
            deviations: Deviations::default(),
            prompts: Prompts::default(),
            sustained: Sustained::default(),
            error: FIRST_ERROR,
            bias: 0.0,
            trusted: false,
        }
    }
}

/// A cell of a profile as an observation: λ·E requests at once, on average half through their
/// answers, while λ prompts come in each second.
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
