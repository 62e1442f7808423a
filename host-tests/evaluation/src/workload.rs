//! What arrives when: chat and text-to-SQL, 7 : 4, as a Poisson process.

use std::time::Duration;

use rand::{Rng, RngExt as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};
use serde::Serialize;
use slo_router_pods::lengths::{CHAT_OUTPUT, CHAT_PROMPT, TokenLengths};

/// Of so many requests, [`CHAT_SHARE`] are chat.
const SHARES: u32 = 11;
const CHAT_SHARE: u32 = 7;

/// A question over a database schema. BIRD, the usual benchmark, publishes no lengths: these are assumptions.
const SQL_PROMPT: TokenLengths = TokenLengths { median: 900.0, sigma: 0.45, min: 300, max: 3_000 };
/// The query that answers it; assumed as well.
const SQL_OUTPUT: TokenLengths = TokenLengths { median: 55.0, sigma: 0.55, min: 16, max: 250 };

/// A kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Conversations, with lengths as in ShareGPT.
    Chat,
    /// Long prompts with short answers.
    TextToSql,
}

/// A request that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    /// When, from the start of the run.
    pub at: Duration,
    /// Of which kind.
    pub class: Class,
    /// Tokens of its prompt.
    pub prompt_tokens: u32,
    /// Tokens that it will be answered with; nobody but the pod is told.
    pub output_tokens: u32,
}

/// The arrivals of a run; the same seed gives the same ones.
pub fn arrivals(rate_per_s: f64, span: Duration, seed: u64) -> Vec<Arrival> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut at_s = 0.0;
    let next = || {
        let gap: f64 = Exp1.sample(&mut rng);
        at_s += gap / rate_per_s;
        Some(Arrival::draw(Duration::from_secs_f64(at_s), &mut rng))
    };
    std::iter::from_fn(next).take_while(|arrival| arrival.at < span).collect()
}

// === impl Class ===

impl Class {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Chat, Self::TextToSql];

    /// Its name, in the request header, the filter's configuration and the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::TextToSql => "text-to-sql",
        }
    }

    /// The cap on the output that its clients ask for.
    pub const fn max_tokens(self) -> u32 {
        match self {
            Self::Chat => 1_024,
            Self::TextToSql => 256,
        }
    }

    const fn lengths(self) -> (TokenLengths, TokenLengths) {
        match self {
            Self::Chat => (CHAT_PROMPT, CHAT_OUTPUT),
            Self::TextToSql => (SQL_PROMPT, SQL_OUTPUT),
        }
    }
}

// === impl Arrival ===

impl Arrival {
    fn draw(at: Duration, rng: &mut impl Rng) -> Self {
        let class = if rng.random_ratio(CHAT_SHARE, SHARES) { Class::Chat } else { Class::TextToSql };
        let (prompt, output) = class.lengths();
        Self { at, class, prompt_tokens: prompt.sample(rng), output_tokens: output.sample(rng) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn the_same_seed_gives_the_same_arrivals_and_another_seed_gives_others() {
        assert_eq!(arrivals(5.0, HOUR, 1), arrivals(5.0, HOUR, 1));
        assert_ne!(arrivals(5.0, HOUR, 1), arrivals(5.0, HOUR, 2));
    }

    #[test]
    fn arrivals_come_at_the_asked_rate_in_order_and_within_the_span() {
        let arrivals = arrivals(5.0, HOUR, 1);
        assert!((17_500..18_500).contains(&arrivals.len()), "{}", arrivals.len());
        assert!(arrivals.is_sorted_by_key(|arrival| arrival.at));
        assert!(arrivals.iter().all(|arrival| arrival.at < HOUR));
    }

    #[test]
    fn classes_mix_seven_to_four_with_their_own_lengths() {
        let arrivals = arrivals(5.0, HOUR, 1);
        let of = |class| arrivals.iter().filter(move |arrival| arrival.class == class);
        let median = |class, tokens: fn(&Arrival) -> u32| {
            let mut all: Vec<_> = of(class).map(tokens).collect();
            all.sort_unstable();
            all[all.len() / 2]
        };
        let ratio = of(Class::Chat).count() as f64 / of(Class::TextToSql).count() as f64;
        assert!((ratio - 7.0 / 4.0).abs() < 0.1, "{ratio}");
        assert!((290..325).contains(&median(Class::Chat, |arrival| arrival.prompt_tokens)));
        assert!((200..217).contains(&median(Class::Chat, |arrival| arrival.output_tokens)));
        assert!((880..920).contains(&median(Class::TextToSql, |arrival| arrival.prompt_tokens)));
        assert!((53..57).contains(&median(Class::TextToSql, |arrival| arrival.output_tokens)));
    }
}
