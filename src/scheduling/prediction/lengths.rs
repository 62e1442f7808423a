//! The distribution of output lengths, estimated from answers that ended and answers that still
//! run.
//!
//! Completions alone mislead while load ramps up: the short answers end first, so among those that
//! ended short ones are over-represented. A running request says that its length is *at least* what
//! it has produced: a right-censored observation. The product-limit estimator (Kaplan and
//! Meier, 1958) takes both: with `d(y)` answers that ended at length y, and `r(y)` requests at risk
//! there (that ended at y or later, or run and have produced y tokens or more),
//!
//! ```text
//! S(x) = P(output ≥ x) = ∏_{y < x} (1 − d(y) / r(y))
//! ```
//!
//! Lengths depend on the prompt, so each bucket b of input lengths ([`log2_bucket`]) has a curve
//! `S_b`, but few observations of its own. It is shrunk to the curve S over all buckets as if
//! [`PSEUDO_COUNT`] completions distributed like S had been seen in it, with `n_b` the completions
//! in it:
//!
//! ```text
//! Ŝ_b(x) = (n_b · S_b(x) + PSEUDO_COUNT · S(x)) / (n_b + PSEUDO_COUNT)
//! ```
//!
//! Weights that do not count running requests make the estimate monotone: one more of them raises
//! both curves, or leaves them, and so never lowers the median. Where the longest observations
//! still run, the curve ends above zero: nothing is known of what lies beyond.

use serde::{Deserialize, Serialize};

use super::History;
use super::index::Index;
use super::packed_steps;
use crate::scheduling::shape::log2_bucket;

/// Weight of the distribution over all buckets in each bucket, in completions.
const PSEUDO_COUNT: f64 = 15.0;

/// Steps of a sketch.
const SKETCH: f64 = 32.0;

/// From so many steps on a curve has an index and a sketch.
const MANY: usize = SKETCH as usize;

/// A share that is one half but for the rounding of its factors is one half.
const HALF: f64 = 0.5 + 1e-9;

/// A request whose answer is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialAnswer {
    /// Tokens of the prompt.
    pub input_tokens: u32,
    /// Tokens produced so far.
    pub output_so_far: u32,
    /// Answers under way that it stands for, itself included: more than one in a sample.
    pub stands_for: usize,
}

/// Distribution of the lengths of answers to prompts of one input bucket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LengthDistribution {
    /// By ascending length.
    #[serde(with = "packed_steps")]
    steps: Vec<SurvivalStep>,
    /// The longest observation, of an answer that ended or of one that runs.
    longest: u32,
    /// Index of the steps; none for few.
    #[serde(skip)]
    index: Option<Index>,
    /// The same in few steps; none where they are few.
    #[serde(skip)]
    sketch: Option<Box<[SurvivalStep]>>,
}

/// The survival curve falls where an answer ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SurvivalStep {
    /// Tokens of the answers that ended here.
    pub length: u32,
    /// The share of answers that are longer.
    pub longer: f64,
}

/// Observation of one request's length.
#[derive(Clone, Copy)]
struct Observation {
    input_bucket: u8,
    length: u32,
    ended: bool,
    count: usize,
}

// === impl LengthDistribution ===

impl LengthDistribution {
    /// The distribution for prompts of this length, from the completions and the running requests
    /// of one model. `None` without a completion.
    ///
    /// O(n log n) in the number of requests. It is the same for all prompts of an input bucket.
    pub fn estimate(history: &History, running: &[PartialAnswer], input_tokens: u32) -> Option<Self> {
        let ended = history.iter().map(|it| (it.input_tokens, it.output_tokens, true, 1));
        let under_way = running.iter().map(|it| (it.input_tokens, it.output_so_far, false, it.stands_for));
        let mut observations: Vec<_> = ended
            .chain(under_way)
            .map(|(input, length, ended, count)| Observation { input_bucket: log2_bucket(input), length, ended, count })
            .collect();
        observations.sort_unstable_by_key(|it| it.length);

        let longest = observations.last()?.length;
        let overall = product_limit(&observations);
        if overall.is_empty() {
            return None;
        }
        let bucket = log2_bucket(input_tokens);
        observations.retain(|it| it.input_bucket == bucket);
        let completions = observations.iter().filter(|it| it.ended).count() as f64;
        Some(Self::new(shrunk(&product_limit(&observations), completions, overall), longest))
    }

    /// Distribution before any completion, from the median alone. Lengths are then taken to be
    /// memoryless, which says least beyond a median: however long an answer is already, it is
    /// expected to go on as long again.
    pub fn memoryless(median: u32) -> Self {
        const STEPS: u32 = 64;
        let length = |longer: f64| (f64::from(median) * -longer.log2()).round() as u32;
        let steps: Vec<SurvivalStep> = (1..STEPS)
            .map(|step| 1.0 - f64::from(step) / f64::from(STEPS))
            .map(|longer| SurvivalStep { length: length(longer).max(1), longer })
            .collect();
        let longest = steps.last().map_or(median, |step| step.length);
        Self::new(steps, longest)
    }

    /// Answers of exactly this length.
    pub fn certain(tokens: u32) -> Self {
        Self::new(vec![SurvivalStep { length: tokens, longer: 0.0 }], tokens)
    }

    /// A curve is asked hundreds of times, so it is worth preparing.
    fn new(steps: Vec<SurvivalStep>, longest: u32) -> Self {
        let are_many = steps.len() > MANY;
        let index = are_many.then(|| Index::of(steps.iter().map(|step| step.length)));
        let sketch = are_many.then(|| sketch(&steps).into());
        Self { steps, longest, index, sketch }
    }

    /// The same in few steps, nowhere off by more than a [`SKETCH`]th.
    pub fn sketch(&self) -> Self {
        let steps = self.sketch.as_deref().unwrap_or(&self.steps).to_vec();
        Self { steps, longest: self.longest, index: None, sketch: None }
    }

    /// The share of answers that have `tokens` tokens or more: P(output ≥ tokens), 1 for no number.
    pub fn survival(&self, tokens: f64) -> f64 {
        let is_below = |step: &SurvivalStep| f64::from(step.length) < tokens;
        let fallen = match &self.index {
            None => self.steps.partition_point(is_below),
            Some(index) => {
                let first = index.first_at(tokens);
                let further = self.steps.get(first..).unwrap_or_default();
                first.saturating_add(further.iter().take_while(|step| is_below(step)).count())
            }
        };
        fallen.checked_sub(1).and_then(|last| self.steps.get(last)).map_or(1.0, |step| step.longer)
    }

    /// The shortest length that at least half of the answers do not exceed; the longest observation
    /// where more than half of them are known to be longer than any that ended.
    pub fn median(&self) -> u32 {
        let half = self.steps.partition_point(|step| step.longer > HALF);
        self.steps.get(half).map_or(self.longest, |step| step.length)
    }
}

/// The first step below each multiple of a [`SKETCH`]th, and the last of all.
fn sketch(all: &[SurvivalStep]) -> Vec<SurvivalStep> {
    let level = |step: &SurvivalStep| (step.longer * SKETCH) as u32;
    let mut steps: Vec<SurvivalStep> = Vec::new();
    for step in all {
        if steps.last().is_none_or(|last| level(last) != level(step)) {
            steps.push(*step);
        }
    }
    steps.extend(all.last().filter(|end| steps.last() != Some(end)));
    steps
}

/// The product-limit estimate from observations by ascending length.
fn product_limit(observations: &[Observation]) -> Vec<SurvivalStep> {
    let count = |observations: &[Observation]| observations.iter().map(|it| it.count).sum::<usize>();
    let mut at_risk = count(observations);
    let mut longer = 1.0;
    let mut steps = Vec::new();
    for tied in observations.chunk_by(|one, next| one.length == next.length) {
        let ended = tied.iter().filter(|it| it.ended).count();
        if let (Some(first), 1..) = (tied.first(), ended) {
            longer *= at_risk.saturating_sub(ended) as f64 / at_risk as f64;
            steps.push(SurvivalStep { length: first.length, longer });
        }
        at_risk = at_risk.saturating_sub(count(tied));
    }
    steps
}

/// A bucket's curve, moved towards the overall one. That one falls wherever any bucket's does.
fn shrunk(own: &[SurvivalStep], own_count: f64, mut overall: Vec<SurvivalStep>) -> Vec<SurvivalStep> {
    let mut own = own.iter().peekable();
    let mut own_longer = 1.0;
    for step in &mut overall {
        if let Some(fallen) = own.next_if(|it| it.length <= step.length) {
            own_longer = fallen.longer;
        }
        step.longer = (own_count * own_longer + PSEUDO_COUNT * step.longer) / (own_count + PSEUDO_COUNT);
    }
    overall
}
