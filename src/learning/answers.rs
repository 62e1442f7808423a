//! Facts learned from the responses that pass: how long a model's answers are, and how many
//! characters its tokens have. SharedPart by the VMs of a pool, one value for each model.

mod labels;

use std::rc::Rc;
use std::time::Duration;

use fnv::FnvHashMap;
use serde::{Deserialize, Serialize};

use self::labels::{Admitted, Labels, NEW_MODELS};
use super::exchange::{SharedPart, exchange};
use crate::scheduling::prediction::{
    Completion, DrawWindow, History, LengthDistribution, PartialAnswer, estimate_median,
};
use crate::scheduling::shape::log2_bucket;
use crate::scheduling::time::Instant;
use crate::shared::{Keys, Store};

/// Characters per token before anything is known: the mean of ShareGPT's English-heavy turns in
/// cl100k.
const COLD_CHARACTERS_PER_TOKEN: f64 = 4.24;
/// Bytes of a request's body per token before anything is known: its text and the JSON around it.
const COLD_BYTES_PER_TOKEN: f64 = 5.0;
/// Weight of the cold ratios, in tokens: some prompts outvote them.
const COLD_WEIGHT_TOKENS: f64 = 2_000.0;
/// Of shorter prompts, most tokens may be those that the chat template adds.
const LEAST_CHARACTERS: u64 = 400;
/// No text has fewer characters per token, in any script, nor more: other numbers count what is not
/// in the body.
const CHARACTERS_PER_TOKEN: (f64, f64) = (0.5, 32.0);
/// Events with output per token before anything is known.
const COLD_EVENTS_PER_TOKEN: f64 = 1.0;
/// Weight of that, in tokens: an answer or two show better.
const COLD_WEIGHT_EVENTS: f64 = 20.0;
/// Old ratios fade: what lies this many tokens back weighs half.
const HALF_LIFE_TOKENS: f64 = 1_000_000.0;

/// Age from which completions say nothing any more of what comes: traffic changes, and what is
/// refused because of them teaches nothing new.
const MOST_AGE: Duration = Duration::from_secs(3600);

/// Rule by which output lengths are estimated, and its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// The rule.
    pub kind: PredictionKind,
    /// Output tokens before anything is known.
    pub cold_tokens: u32,
}

/// The rule by which an output length is estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PredictionKind {
    /// The median of recent completions with prompts of that size.
    #[default]
    Median,
    /// One of them at random (AIBrix).
    Draw,
}

/// Measurements from one response.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ResponseSample {
    /// Tokens in and out of one answer, and when it ended, where there is an output and it is
    /// known.
    pub completion: Option<Completion>,
    /// Tokens of the prompt, as the model server counts them; `None` where it did not say.
    pub prompt_tokens: Option<u32>,
    /// Characters of the prompt, where the body was read and holds nothing that cannot be measured.
    pub characters: Option<u64>,
    /// Bytes of the request's body, likewise.
    pub bytes: Option<u64>,
    /// Events with output and the tokens in them, where the server reported these.
    pub events: Option<(u32, u32)>,
}

/// Knowledge of all models of a pool, as one VM has it.
#[derive(Debug)]
pub struct Learning {
    prediction: Prediction,
    labels: Labels,
    models: FnvHashMap<String, LearnedModel>,
}

#[derive(Debug, Default)]
struct LearnedModel {
    known: ModelStatistics,
    /// Seen here and not shared yet.
    pending: Vec<ResponseSample>,
    /// Estimates by bucket of the prompt; of no use once `known` changes.
    medians: FnvHashMap<u8, u32>,
    /// Distributions by bucket of the prompt, likewise.
    lengths: FnvHashMap<u8, Rc<LengthDistribution>>,
}

/// The shared value.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct ModelStatistics {
    history: History,
    characters: Ratio,
    bytes: Ratio,
    /// Its units are events with output.
    events: Ratio,
}

/// A ratio of units (characters, bytes) to tokens; both sums fade.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Ratio {
    units: f64,
    tokens: f64,
}

// === impl Learning ===

impl Learning {
    /// Knows nothing yet.
    pub fn new(prediction: Prediction) -> Self {
        Self { prediction, labels: Labels::default(), models: FnvHashMap::default() }
    }

    /// The name under which a model's lengths are known: nothing is known under that of models that
    /// were never answered, here or in another VM. And whether it is new here.
    pub fn label(&mut self, model: &str, store: &impl Store, keys: &Keys, now: Instant) -> (Rc<str>, bool) {
        if let Some(known) = self.labels.get(model, now) {
            return (known, false);
        }
        if store.get(&keys.lengths(model)).bytes.is_empty() {
            return (NEW_MODELS.into(), false);
        }
        self.answered(model, store, keys, now)
    }

    /// The name under which an answer of a model teaches, and whether it is new here.
    pub fn answered(&mut self, model: &str, store: &impl Store, keys: &Keys, now: Instant) -> (Rc<str>, bool) {
        let Admitted { label, is_new, dropped } = self.labels.admit(model, now);
        if let Some(dropped) = dropped {
            self.models.remove(&*dropped);
            let key = keys.lengths(&dropped);
            // If it fails, another VM has just learned of it.
            let _ = store.set(&key, &[], store.get(&key).version);
        }
        if is_new {
            let known = crate::shared::store::read(store, &keys.lengths(&label)).0;
            self.models.insert(label.to_string(), LearnedModel { known, ..LearnedModel::default() });
        }
        (label, is_new)
    }

    /// Tokens of a prompt of so many characters.
    pub fn tokens_of_characters(&mut self, model: &str, characters: u64) -> u32 {
        self.on(model, |model| model.known.characters.tokens(characters, COLD_CHARACTERS_PER_TOKEN, COLD_WEIGHT_TOKENS))
    }

    /// Tokens of a prompt whose body has so many bytes; without them the model's median.
    pub fn tokens_of_body(&mut self, model: &str, bytes: Option<u64>) -> u32 {
        self.on(model, |LearnedModel { known, .. }| match bytes {
            Some(bytes) => known.bytes.tokens(bytes, COLD_BYTES_PER_TOKEN, COLD_WEIGHT_TOKENS),
            None => median_input(&known.history),
        })
    }

    /// Tokens in so many events with output: most servers put one into each, and some several.
    pub fn tokens_of_events(&mut self, model: &str, events: u32) -> u32 {
        self.on(model, |model| model.known.events.tokens(events.into(), COLD_EVENTS_PER_TOKEN, COLD_WEIGHT_EVENTS))
    }

    /// Tokens that an answer will have. `running` are this VM's requests that still run, which a
    /// median of the completions alone would forget.
    pub fn output_tokens(
        &mut self,
        model: &str,
        input_tokens: u32,
        running: impl FnOnce() -> Vec<PartialAnswer>,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) -> u32 {
        let Prediction { kind, cold_tokens } = self.prediction;
        self.on(model, |model| match kind {
            PredictionKind::Draw => {
                DrawWindow::aibrix().draw(&model.known.history, input_tokens, now, rng).unwrap_or(cold_tokens)
            }
            PredictionKind::Median => *model.medians.entry(log2_bucket(input_tokens)).or_insert_with(|| {
                estimate_median(&model.known.history, &running(), input_tokens).unwrap_or(cold_tokens)
            }),
        })
    }

    /// Returns the distribution of the lengths of answers to prompts of this length; memoryless
    /// before anything is known.
    pub fn lengths(
        &mut self,
        model: &str,
        input_tokens: u32,
        running: impl FnOnce() -> Vec<PartialAnswer>,
    ) -> Rc<LengthDistribution> {
        let cold_tokens = self.prediction.cold_tokens;
        self.on(model, |model| {
            let estimate = || {
                let lengths = LengthDistribution::estimate(&model.known.history, &running(), input_tokens);
                Rc::new(lengths.unwrap_or_else(|| LengthDistribution::memoryless(cold_tokens)))
            };
            Rc::clone(model.lengths.entry(log2_bucket(input_tokens)).or_insert_with(estimate))
        })
    }

    /// Learns from a response.
    pub fn record(&mut self, model: &str, sample: ResponseSample) {
        self.on(model, |model| {
            model.known.learn(&sample);
            model.pending.push(sample);
        });
    }

    /// Exchanges what was learned with the other VMs, and forgets what lies too long back.
    pub fn share(&mut self, store: &impl Store, keys: &Keys, now: Instant) {
        for (name, model) in &mut self.models {
            exchange(store, &keys.lengths(name), model);
            model.known.history.forget_before(now.before(MOST_AGE));
            model.medians.clear();
            model.lengths.clear();
        }
    }

    /// Does something with what is known of a model, without writing its name where it is known.
    fn on<R>(&mut self, name: &str, act: impl FnOnce(&mut LearnedModel) -> R) -> R {
        match self.models.get_mut(name) {
            Some(model) => act(model),
            None => act(self.models.entry(name.to_owned()).or_default()),
        }
    }
}

// === impl LearnedModel ===

impl SharedPart for LearnedModel {
    type Value = ModelStatistics;

    fn has_news(&self) -> bool {
        !self.pending.is_empty()
    }

    fn tell(&self, all: &mut ModelStatistics) {
        self.pending.iter().for_each(|sample| all.learn(sample));
    }

    fn take(&mut self, all: ModelStatistics) {
        self.known = all;
        self.pending.clear();
    }
}

// === impl ModelStatistics ===

impl ModelStatistics {
    fn learn(&mut self, sample: &ResponseSample) {
        if let Some(completion) = sample.completion {
            self.history.push(completion);
        }
        if let Some((characters, tokens)) = sample.characters.zip(sample.prompt_tokens)
            && characters >= LEAST_CHARACTERS
            && is_text(characters, tokens)
        {
            self.characters.learn(characters, tokens);
        }
        if let Some((bytes, tokens)) = sample.bytes.zip(sample.prompt_tokens)
            && is_text(bytes, tokens)
        {
            self.bytes.learn(bytes, tokens);
        }
        if let Some((events, tokens)) = sample.events {
            self.events.learn(events.into(), tokens);
        }
    }
}

// === impl Ratio ===

impl Ratio {
    fn learn(&mut self, units: u64, tokens: u32) {
        if units == 0 || tokens == 0 {
            return;
        }
        let fade = (-f64::from(tokens) / HALF_LIFE_TOKENS).exp2();
        self.units = self.units * fade + units as f64;
        self.tokens = self.tokens * fade + f64::from(tokens);
    }

    /// Tokens in so many units; saturating, and never zero for a text that is not empty.
    fn tokens(&self, units: u64, cold_units_per_token: f64, cold_weight_tokens: f64) -> u32 {
        let known_units = self.units + cold_weight_tokens * cold_units_per_token;
        let known_tokens = self.tokens + cold_weight_tokens;
        // The ratio first: where both sums are one it is exactly 1, and nothing is rounded up from
        // a last digit.
        ((units as f64) * (known_tokens / known_units)).ceil() as u32
    }
}

/// Returns `true` if so many tokens can be those of a text of so many characters or bytes.
fn is_text(units: u64, tokens: u32) -> bool {
    let (least, most) = CHARACTERS_PER_TOKEN;
    let (units, tokens) = (units as f64, f64::from(tokens));
    units >= least * tokens && units <= most * tokens
}

/// The median prompt of a history; zero without one.
fn median_input(history: &History) -> u32 {
    let mut inputs: Vec<u32> = history.iter().map(|completion| completion.input_tokens).collect();
    inputs.sort_unstable();
    inputs.get(inputs.len() >> 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
