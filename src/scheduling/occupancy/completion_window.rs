//! Completion of a request, and the window of lengths of its answer that keep its objectives.
//!
//! Given how its pod goes on, a request that ends with x output tokens ends `start + x·τ` seconds
//! after it came (τ: time per output token). Every objective is linear in x as well:
//!
//! | objective | kept iff |
//! |---|---|
//! | `ttft` | first token ≤ T, whatever x |
//! | `tpot` | start + x·τ − first token ≤ T·(x − 1) |
//! | `e2e` | start + x·τ ≤ T |
//! | `e2e_per_output_token`, base M | start + x·τ ≤ M + T·x |
//! | `e2e_per_token`, prompt p | start + x·τ ≤ T·(p + x) |
//!
//! so each is kept by all lengths from some length on (where tokens come faster than the objective
//! asks), or up to some length. The lengths that keep all objectives are an interval, and the
//! probability to keep them is that of the interval.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::scheduling::slo::Slo;

/// Completion of a request; seconds count from its arrival.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CompletionWindow {
    /// Time at which its first token came or will come.
    pub first_token_s: f64,
    /// Time at which its answer would end if it had no token at all; may be negative, since tokens
    /// so far came at another pace.
    pub start_s: f64,
    /// τ: time per output token from now on.
    pub per_token_s: f64,
}

/// An [`Slo`] in seconds for a prompt of known length; what is not set is infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    ttft_s: f64,
    tpot_s: Option<f64>,
    /// Limits of the end of an answer: a constant, and what each output token adds.
    ends_s: [Option<(f64, f64)>; 3],
}

/// By so much sums of seconds may be off.
const ROUNDING_S: f64 = 1e-9;

/// Lengths of an answer, in tokens; empty if it starts behind its end.
pub(crate) type Lengths = RangeInclusive<f64>;

// === impl Limits ===

impl Limits {
    /// Of a request with this prompt.
    pub(crate) fn of(slo: &Slo, prompt_tokens: f64) -> Self {
        let seconds = |objective: Option<Duration>| objective.map(|objective| objective.as_secs_f64());
        let base_s = seconds(slo.e2e_base).unwrap_or(0.0);
        Self {
            ttft_s: seconds(slo.ttft).unwrap_or(f64::INFINITY),
            tpot_s: seconds(slo.tpot),
            ends_s: [
                seconds(slo.e2e).map(|e2e_s| (e2e_s, 0.0)),
                seconds(slo.e2e_per_output_token).map(|each_s| (base_s, each_s)),
                seconds(slo.e2e_per_token).map(|each_s| (each_s * prompt_tokens, each_s)),
            ],
        }
    }

    /// Returns `true` if the first token may come so long after the request.
    pub(crate) fn allow_first_token_at(&self, first_token_s: f64) -> bool {
        first_token_s <= self.ttft_s
    }

    /// By how many seconds an answer of so many tokens misses the one of them that it misses most;
    /// 0 if it keeps all.
    pub(crate) fn lateness_s(&self, course: &CompletionWindow, tokens: f64) -> f64 {
        let end_s = course.start_s + tokens * course.per_token_s;
        let of_pace = self.tpot_s.map(|tpot_s| (course.first_token_s - tpot_s, tpot_s));
        let ends = self.ends_s.into_iter().chain([of_pace]).flatten();
        let late_s = ends.map(|(constant_s, each_s)| end_s - constant_s - each_s * tokens);
        late_s.fold((course.first_token_s - self.ttft_s).max(0.0), f64::max)
    }

    /// The lengths of the answer with which all of them are kept.
    pub(crate) fn kept_by(&self, course: &CompletionWindow) -> Lengths {
        let nothing = f64::INFINITY..=f64::NEG_INFINITY;
        if !self.allow_first_token_at(course.first_token_s) {
            return nothing;
        }
        let pace = self.tpot_s.map(|tpot_s| (course.first_token_s - tpot_s, tpot_s));
        let (mut shortest, mut longest) = (0.0_f64, f64::INFINITY);
        for (constant_s, each_s) in self.ends_s.into_iter().chain([pace]).flatten() {
            let room_s = constant_s - course.start_s;
            let excess_s = course.per_token_s - each_s;
            // Comparisons: `min` and `max` are calls in WebAssembly, and this is asked thousands of
            // times in a round.
            let length = room_s / excess_s;
            if excess_s > 0.0 {
                longest = if length < longest { length } else { longest };
            } else if excess_s < 0.0 {
                shortest = if length > shortest { length } else { shortest };
            } else if room_s < -ROUNDING_S {
                return nothing;
            }
        }
        shortest..=longest
    }
}
