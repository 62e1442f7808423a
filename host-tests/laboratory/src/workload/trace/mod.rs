//! Recorded traffic: the public CSV formats ([`Format`]), Mooncake's, and conversations without
//! times; and a replay at any rate.

mod conversations;
mod error;
mod format;
mod mooncake;
mod reader;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use self::error::{Problem, TraceError};
pub use self::format::Format;
use super::{Arrival, Class};

/// Recorded requests: at least one, in order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    timing: Timing,
    /// With times from the first.
    arrivals: Vec<Arrival>,
    left_out: usize,
}

/// Times of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timing {
    /// Those of the recording, of which the first request came at so many nanoseconds from the Unix
    /// epoch, or from the recording's own zero.
    Recorded(i64),
    /// None: the requests are the turns of conversations.
    Sessions,
}

// === impl Trace ===

impl Trace {
    /// Reads a file in any of the formats. Rows that do not tell their class are of `class`.
    ///
    /// # Errors
    /// With file, line and column where it cannot be read, is empty, lacks a column, is not in order of time, or has a value that is none.
    pub fn read(path: &Path, class: Class) -> Result<Self, TraceError> {
        let name = path.display().to_string();
        let file = std::fs::File::open(path)
            .map_err(|error| TraceError::file(&name, Problem::Unreadable(error.to_string())))?;
        Self::from_reader(file, &name, class)
    }

    /// The same from anything that can be read; `name` is what errors call it.
    ///
    /// # Errors
    /// As [`Trace::read`].
    pub fn from_reader(reader: impl std::io::Read, name: &str, class: Class) -> Result<Self, TraceError> {
        reader::read(reader, name, class)
    }

    /// Both at once, as they were: times are aligned by the clock that they were recorded with.
    /// `None` where one has no times.
    pub fn overlaid_with(self, other: Self) -> Option<Self> {
        let (Timing::Recorded(own_ns), Timing::Recorded(other_ns)) = (self.timing, other.timing) else { return None };
        let starts_at_ns = own_ns.min(other_ns);
        let left_out = self.left_out + other.left_out;
        let moved = |trace: Self, from_ns: i64| {
            let by = Duration::from_nanos(from_ns.abs_diff(starts_at_ns));
            trace.arrivals.into_iter().map(move |arrival| Arrival { at: arrival.at + by, ..arrival })
        };
        let mut arrivals: Vec<_> = moved(self, own_ns).chain(moved(other, other_ns)).collect();
        arrivals.sort_by_key(|arrival| arrival.at);
        Some(Self { timing: Timing::Recorded(starts_at_ns), arrivals, left_out })
    }

    /// The same with prompts cut so that prompt and answer together have at most so many tokens; answers longer than that are cut to all but
    /// one of them. For servers with a short context.
    #[must_use]
    pub fn cut_to(mut self, tokens: u32) -> Self {
        for arrival in &mut self.arrivals {
            arrival.output_tokens = arrival.output_tokens.min(tokens.saturating_sub(1));
            arrival.prompt_tokens = arrival.prompt_tokens.min(tokens - arrival.output_tokens);
        }
        self
    }

    /// All requests, with times from the first.
    pub fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    /// Rows that record no answer.
    pub const fn left_out(&self) -> usize {
        self.left_out
    }

    /// The classes that occur.
    pub fn classes(&self) -> Vec<Class> {
        let occurs = |class: &Class| self.arrivals.iter().any(|arrival| arrival.class == *class);
        Class::ALL.into_iter().filter(occurs).collect()
    }

    /// Requests per second, over the time from the first to the last; of a single one or several at one time, and without times, one per
    /// second.
    pub fn rate_per_s(&self) -> f64 {
        let gaps = self.arrivals.len() - 1;
        let span_s = self.arrivals.last().map_or(0.0, |last| last.at.as_secs_f64());
        if span_s > 0.0 { gaps as f64 / span_s } else { 1.0 }
    }

    /// Replays it at a mean rate of its own, so gaps are stretched alike. It starts at a place that the seed tells, and goes round: after the
    /// last comes the first. Of conversations without times more or fewer begin, and their turns come at one pace.
    pub fn replay(&self, rate_per_s: f64, span: Duration, seed: u64) -> Vec<Arrival> {
        if self.timing == Timing::Sessions {
            return conversations::replay(&self.arrivals, rate_per_s, span, seed);
        }
        let (count, own_rate) = (self.arrivals.len(), self.rate_per_s());
        let start = ChaCha8Rng::seed_from_u64(seed).random_range(0..count);
        // From the last to the first it takes the mean gap.
        let round_s = count as f64 / own_rate;
        let at_s = |index: usize| self.arrivals[index % count].at.as_secs_f64() + (index / count) as f64 * round_s;
        let replayed = |index: usize| Arrival {
            at: Duration::from_secs_f64((at_s(index) - at_s(start)).max(0.0) * own_rate / rate_per_s),
            ..self.arrivals[index % count]
        };
        (start..).map(replayed).take_while(|arrival| arrival.at < span).collect()
    }
}
