//! Occupancy of a pod, by dead reckoning from what has been seen of it.

mod completion_window;
#[cfg(test)]
mod tests;
mod tracking;

use self::completion_window::CompletionWindow;
pub(crate) use self::completion_window::Limits;
pub(crate) use self::tracking::reckon;
pub use self::tracking::watch;
use crate::scheduling::latency_model::{Levels, StepModel};
use crate::scheduling::prediction::OutputLengths;
use crate::scheduling::run::{Progress, Run};
use crate::scheduling::time::Instant;
use crate::scheduling::weight::Weight;

/// The outer nodes of Gauss–Hermite quadrature lie √3 standard deviations off, with a weight of 1/6
/// each.
const NODE: f64 = 1.732_050_807_568_877_2;

/// Factor by which the time of prompts is more uncertain than that of decoding: what an engine's
/// prefix cache spares is not seen from outside.
const PROMPTS_SPREAD: f64 = 2.0;

/// A prompt that is not computed at its time takes this share of its delay so far still longer: the
/// pod may be out of cache or slower than believed, and the longer that lasted, the longer it will
/// last.
const OVERDUE_SHARE: f64 = 0.5;

/// A prompt that is overdue by so long, and by as long as it should have taken, is not computed at
/// all: there is no room.
const LATE_S: f64 = 1.0;

/// Tokens that a stream is taken to have gone on by since it was last seen, at most.
const MOST_UNSEEN: f64 = 64.0;

/// State of a pod now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Occupancy {
    /// Requests on it.
    pub requests: f64,
    /// K: tokens of their prompts and answers so far.
    pub context_tokens: f64,
    /// Those of them that it certainly has in its cache: of requests whose first token came.
    pub cached_tokens: f64,
    /// `true` where it has not begun a prompt for long after its time.
    pub is_late: bool,
    /// Until all prompts are computed that are on it.
    pub prefill_left_s: f64,
    /// Requests on it, one by one.
    pub streams: Vec<Stream>,
}

/// A request on a pod.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// Its objectives.
    pub limits: Limits,
    /// Distribution of its answer's length.
    pub lengths: OutputLengths,
    /// Since it came to the gateway.
    pub elapsed_s: f64,
    /// Tokens of its answer so far.
    pub tokens: f64,
    /// Time at which its first token came, or will come at the earliest, from its arrival on.
    pub first_token_s: f64,
    /// Worth of keeping its objectives.
    pub weight: Weight,
}

/// Pace at which a pod goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Until decoding goes on, since prompts are being computed.
    pub delay_s: f64,
    /// τ: time per output token after that.
    pub per_token_s: f64,
    /// Uncertainty of τ.
    pub spread: Spread,
}

/// Relative standard deviations of a pace around what is predicted: towards slower ones and towards
/// faster ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub slower: f64,
    pub faster: f64,
}

// === impl Occupancy ===

impl Occupancy {
    /// Reckons from what runs on a pod, given how long its iterations take. Of requests that are
    /// counted there but not known, which is so for moments, and for as long as they run where
    /// another gateway placed them, it is taken that they are like those that are.
    pub(crate) fn reckon(runs: &[Run], in_flight: u32, model: &StepModel, now: Instant) -> Self {
        let requests = f64::from(in_flight).max(runs.len() as f64);
        let mut occupancy = Self { requests, streams: Vec::with_capacity(runs.len()), ..Self::default() };
        // Prompts are computed first come, first served; none before the last one that is known to
        // be done.
        let done = runs.iter().filter_map(|run| match run.progress {
            Progress::Decoding { first_token_at, .. } => Some(first_token_at),
            Progress::Unseen | Progress::Prefilling => None,
        });
        let mut clock = done.max().unwrap_or(Instant::ZERO);
        let mut waiting: Vec<&Run> = Vec::new();
        let prompts: f64 = runs.iter().map(|run| f64::from(run.prompt_tokens)).sum();
        let step_s = model.step_s(occupancy.requests, prompts);
        for run in runs {
            match run.progress {
                Progress::Decoding { first_token_at, tokens, seen_at } => {
                    let since_s = now.seconds_since(seen_at).max(0.0);
                    let tokens = f64::from(tokens) + (since_s / step_s).floor().min(MOST_UNSEEN);
                    occupancy.cached_tokens += f64::from(run.prompt_tokens) + tokens;
                    occupancy.add(run, tokens, first_token_at.seconds_since(run.arrived_at), now);
                }
                Progress::Unseen | Progress::Prefilling => waiting.push(run),
            }
        }
        waiting.sort_by_key(|run| run.placed_at);
        let mut overdue_s = 0.0_f64;
        for run in waiting {
            let stall_s = model.stall_s(run.computed_tokens, occupancy.requests);
            clock = clock.max(run.placed_at).offset_seconds(stall_s + model.base_s);
            let ahead_s = clock.seconds_since(now);
            if run.progress == Progress::Unseen && ahead_s < 0.0 {
                let tokens = 1.0 - ahead_s / step_s;
                occupancy.add(run, tokens, clock.seconds_since(run.arrived_at), now);
                continue;
            }
            overdue_s = overdue_s.max(-ahead_s);
            occupancy.is_late |= -ahead_s > LATE_S.max(clock.seconds_since(run.placed_at));
            let left_s = ahead_s.max(overdue_s * OVERDUE_SHARE);
            let elapsed_s = now.seconds_since(run.arrived_at);
            occupancy.prefill_left_s = occupancy.prefill_left_s.max(left_s);
            occupancy.add(run, 0.0, elapsed_s + left_s, now);
        }
        occupancy.context_tokens *= requests / (runs.len().max(1) as f64);
        occupancy
    }

    /// Takes each request to have so many tokens of context, where requests are counted and none is
    /// known.
    pub(crate) fn suppose(&mut self, context_tokens: f64) {
        if self.streams.is_empty() {
            self.context_tokens = self.requests * context_tokens;
        }
    }

    fn add(&mut self, run: &Run, tokens: f64, first_token_s: f64, now: Instant) {
        let prompt_tokens = f64::from(run.prompt_tokens);
        self.context_tokens += prompt_tokens + tokens;
        self.streams.push(Stream {
            limits: Limits::of(&run.slo, prompt_tokens),
            lengths: run.lengths.clone().unwrap_or_default(),
            elapsed_s: now.seconds_since(run.arrived_at),
            tokens,
            first_token_s,
            weight: run.weight,
        });
    }

    /// Returns its levels, for an integral.
    pub(crate) fn levels(&self, model: &StepModel) -> Levels {
        let decoding = self.streams.iter().filter(|stream| stream.tokens > 0.0).count() as f64;
        let growth_per_s = decoding / model.step_s(self.requests, self.context_tokens);
        Levels { requests: self.requests, context_tokens: self.context_tokens, growth_per_s }
    }
}

// === impl Stream ===

impl Stream {
    /// The probability that it keeps its objectives if its pod goes on like this: the mean over a
    /// normally distributed pace, wider to one side than to the other, by the three nodes of Gauss
    /// and Hermite. At the slower one prompts take longer, too.
    pub(crate) fn keeps(&self, pace: &Pace) -> f64 {
        let lengths = self.lengths.given(self.tokens);
        let at = |factor: f64| lengths.probability_within(self.limits.kept_by(&self.course(pace, factor)));
        let Spread { slower, faster } = pace.spread;
        // A slower pace never keeps more: mostly one node tells all.
        let slow = if self.may_begin_late(faster) { 0.0 } else { at(1.0 + NODE * slower) };
        if slow >= 1.0 {
            return 1.0;
        }
        let fast = at((1.0 - NODE * faster).max(0.0));
        if fast <= 0.0 {
            return 0.0;
        }
        (fast + 4.0 * at(1.0) + slow) / 6.0
    }

    /// Its course if the pod's pace is `factor` times as slow as predicted.
    fn course(&self, pace: &Pace, factor: f64) -> CompletionWindow {
        let per_token_s = pace.per_token_s * factor;
        // A stream goes on from where it is; a newcomer's first token is no step of its own.
        let start_s = if self.tokens > 0.0 {
            self.elapsed_s + pace.delay_s - self.tokens * per_token_s
        } else {
            let earliest_s = self.elapsed_s + pace.delay_s;
            (if self.first_token_s > earliest_s { self.first_token_s } else { earliest_s }) - per_token_s
        };
        CompletionWindow { first_token_s: self.first_token_s, start_s, per_token_s }
    }

    /// By how much it is expected to miss its objectives, as an answer of usual length.
    pub(crate) fn lateness_s(&self, pace: &Pace) -> f64 {
        let tokens = f64::from(self.lengths.median()).max(1.25 * self.tokens);
        self.limits.lateness_s(&self.course(pace, 1.0), tokens)
    }

    /// Returns `true` if its first token comes too late where prompts take longer than predicted.
    /// Not the longer while requests wait: prompts are computed in turn, whatever comes later.
    fn may_begin_late(&self, spread: f64) -> bool {
        let ahead_s = (self.first_token_s - self.elapsed_s) * (1.0 + NODE * PROMPTS_SPREAD * spread);
        self.tokens <= 0.0 && !self.limits.allow_first_token_at(self.elapsed_s + ahead_s)
    }
}
