//! Conversations that each turn sends again.

use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Exp1};

use super::{Arrival, Class, Gaps, Lengths};
use crate::engine::Content;

/// Agents at work: a session begins with its tools and a task, and each turn sends all that was said so far and what is new.
///
/// Turns come after times of their own, whether the one before was answered or not, so that all policies see the same arrivals.
#[derive(Clone, Copy, Debug)]
pub struct Sessions {
    /// Turns of a session.
    pub turns: u32,
    /// Mean time between two of its turns; exponential.
    pub between: Duration,
    /// Tokens that a session begins with: no other has them.
    pub tools: Lengths,
    /// Tokens that each turn adds: a task, what a tool returned.
    pub added: Lengths,
    /// Tokens of answers.
    pub output: Lengths,
}

/// Pace of sessions: they begin as a Poisson process, and some were under way when the run started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Mean time between two turns of a session; exponential.
    pub between: Duration,
    /// Turns of a session in the mean, above 0.
    pub mean_turns: f64,
    /// Turns of the longest.
    pub most_turns: u32,
}

/// A turn of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub class: Class,
    pub prompt_tokens: u32,
    pub output_tokens: u32,
}

// === impl Sessions ===

impl Sessions {
    /// 4,000 to 16,000 tokens of tools and rules, twelve turns ten seconds apart, of which each adds 300 tokens or so.
    pub const AGENTS: Self = Self {
        turns: 12,
        between: Duration::from_secs(10),
        tools: Lengths::log_normal(8_000.0, 0.5, 4_000, 16_000),
        added: Lengths::log_normal(200.0, 0.8, 20, 2_000),
        output: Lengths::log_normal(100.0, 0.7, 10, 600),
    };

    /// The turns of a run at a mean rate, in order of time. Sessions were under way when it started.
    pub fn arrivals(&self, rate_per_s: f64, span: Duration, seed: u64) -> Vec<Arrival> {
        let pace = Pace { between: self.between, mean_turns: self.turns.into(), most_turns: self.turns };
        pace.arrivals(rate_per_s, span, seed, |rng| {
            let mut prompt_tokens = self.tools.sample(rng);
            let mut turns = 0..self.turns;
            move |rng: &mut ChaCha8Rng| {
                turns.next()?;
                prompt_tokens += self.added.sample(rng);
                let output_tokens = self.output.sample(rng);
                let turn = Turn { class: Class::Chat, prompt_tokens, output_tokens };
                prompt_tokens += output_tokens;
                Some(turn)
            }
        })
    }
}

// === impl Pace ===

impl Pace {
    /// The turns of a run at a mean rate, in order of time. `session` begins a session, and what it
    /// returns makes its turns.
    pub(super) fn arrivals<T: FnMut(&mut ChaCha8Rng) -> Option<Turn>>(
        self,
        rate_per_s: f64,
        span: Duration,
        seed: u64,
        mut session: impl FnMut(&mut ChaCha8Rng) -> T,
    ) -> Vec<Arrival> {
        let mut lengths = ChaCha8Rng::seed_from_u64(seed);
        let mut gaps = ChaCha8Rng::seed_from_u64(!seed);
        // Long enough for all but few of those that would still be there to have ended.
        let before_s = 2.0 * self.between.as_secs_f64() * f64::from(self.most_turns);
        let begins = Gaps::Exponential.times(rate_per_s / self.mean_turns, &mut gaps).map(|at_s| at_s - before_s);
        let mut all = Vec::new();
        for (conversation, begin_s) in (0..).zip(begins.take_while(|at_s| *at_s < span.as_secs_f64())) {
            let mut next = session(&mut lengths);
            let mut at_s = begin_s;
            while let Some(Turn { class, prompt_tokens, output_tokens }) = next(&mut lengths) {
                if (0.0..span.as_secs_f64()).contains(&at_s) {
                    let content = Some(Content::conversation(conversation));
                    let at = Duration::from_secs_f64(at_s);
                    all.push(Arrival { at, class, prompt_tokens, content, output_tokens });
                }
                let unit: f64 = Exp1.sample(&mut lengths);
                at_s += self.between.as_secs_f64() * unit;
            }
        }
        all.sort_by_key(|arrival| arrival.at);
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn turns_come_at_the_asked_rate_in_order_from_the_start_on() {
        let arrivals = Sessions::AGENTS.arrivals(5.0, HOUR, 1);
        let per_s = |from: Duration, to| {
            arrivals.iter().filter(|arrival| (from..to).contains(&arrival.at)).count() as f64
                / (to - from).as_secs_f64()
        };
        assert!((per_s(Duration::ZERO, HOUR) - 5.0).abs() < 0.3, "{}", per_s(Duration::ZERO, HOUR));
        assert!((per_s(Duration::ZERO, HOUR / 12) - 5.0).abs() < 1.0, "{}", per_s(Duration::ZERO, HOUR / 12));
        assert!(arrivals.is_sorted_by_key(|arrival| arrival.at));
        assert_eq!(arrivals, Sessions::AGENTS.arrivals(5.0, HOUR, 1));
    }

    #[test]
    fn each_turn_sends_what_was_said_before_and_more() {
        let mut said = BTreeMap::new();
        for arrival in Sessions::AGENTS.arrivals(5.0, HOUR, 1) {
            let Some(Content::Conversation { conversation, .. }) = arrival.content else { panic!("{arrival:?}") };
            let before = said.insert(conversation, arrival.prompt_tokens + arrival.output_tokens);
            assert!(before.is_none_or(|before| before < arrival.prompt_tokens));
            assert!(arrival.prompt_tokens > 4_000);
        }
    }
}
