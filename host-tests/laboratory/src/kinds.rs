//! Servers by name beside those of a model on a GPU: each shows something that the calibrated ones do not.
//!
//! Their iterations take a line's time ([`LinearCosts`]), in figures that leave room for 100 ms per output token.

use crate::engine::{Batching, EngineSpec, LinearCosts};

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An iteration takes 30 ms and 2 ms for each of up to 64 requests: each request slows all others down.
    Steep,
    /// An iteration takes 40 ms, whatever is in it.
    Flat,
    /// Four slots; what finds none queues in the server.
    FewSlots,
    /// As llama.cpp on a CPU or a small GPU: of eight slots, all together make 1.3 times the tokens of one; prompts take a
    /// millisecond a token.
    LlamaCpp,
    /// A cache of 10,000 tokens, so that running requests are preempted.
    SmallCache,
    /// Prompts are computed in chunks of at most 256 tokens between the tokens of others.
    Chunks,
    /// Prompts are computed whole, and hold all others up meanwhile.
    WholePrompts,
}

// === impl Kind ===

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Steep, Self::Flat, Self::FewSlots, Self::LlamaCpp, Self::SmallCache, Self::Chunks, Self::WholePrompts];

    /// Its name, on command lines and in deployments.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Steep => "steep",
            Self::Flat => "flat",
            Self::FewSlots => "few-slots",
            Self::LlamaCpp => "llama-cpp",
            Self::SmallCache => "small-cache",
            Self::Chunks => "chunks",
            Self::WholePrompts => "whole-prompts",
        }
    }

    /// The server.
    pub fn spec(self) -> EngineSpec {
        let steep = Self::costs(30.0, 2.0, 0.0);
        match self {
            Self::Steep => server(steep, 200_000, 2_048, 64),
            Self::Flat => server(Self::costs(40.0, 0.0, 0.1), 200_000, 2_048, 256),
            Self::FewSlots => server(steep, 200_000, 2_048, 4),
            // One alone takes 20 ms, so each more 20 / 1.3.
            Self::LlamaCpp => server(Self::costs(20.0 - 20.0 / 1.3, 20.0 / 1.3, 1.0), 65_536, 512, 8),
            Self::SmallCache => server(Self::costs(30.0, 0.5, 0.1), 10_000, 2_048, 64),
            Self::Chunks => server(Self::costs(25.0, 0.4, 0.15), 200_000, 256, 256),
            Self::WholePrompts => server(Self::costs(25.0, 0.4, 0.15), 200_000, 32_768, 256),
        }
    }

    /// Milliseconds of an iteration, of each of its sequences and of each prompt token.
    fn costs(fixed: f64, per_sequence: f64, per_prompt_token: f64) -> LinearCosts {
        LinearCosts {
            fixed_s: fixed / 1e3,
            per_sequence_s: per_sequence / 1e3,
            per_prompt_token_s: per_prompt_token / 1e3,
            ..LinearCosts::default()
        }
    }
}

fn server(costs: LinearCosts, kv_tokens: u32, token_budget: u32, max_sequences: usize) -> EngineSpec {
    EngineSpec::linear(costs, kv_tokens, Batching { token_budget, max_sequences })
}

impl std::str::FromStr for Kind {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("unknown kind of server {name:?}; known are {known}")
        })
    }
}

#[cfg(test)]
mod tests {
    use slo_router::scheduling::time::Instant;

    use super::*;
    use crate::engine::{Engine, Event, EventKind};

    /// Seconds until so many requests of this shape, which come at once, have all ended; and preemptions on the way.
    fn serve(kind: Kind, requests: u64, prompt: u32, output: u32) -> (f64, usize) {
        let (mut last, mut preemptions) = (Instant::ZERO, 0);
        let all = (0..requests).map(|_| (Instant::ZERO, prompt, output));
        let note = |event: Event| {
            preemptions += usize::from(event.kind == EventKind::Preempted);
            last = event.at;
            Some(())
        };
        Engine::new(kind.spec()).serve(all, note).unwrap();
        (last.since(Instant::ZERO).as_secs_f64(), preemptions)
    }

    #[test]
    fn llama_cpp_makes_1_3_times_the_tokens_of_one_with_a_full_batch_at_most() {
        let (one, _) = serve(Kind::LlamaCpp, 1, 1, 1_000);
        let (eight, _) = serve(Kind::LlamaCpp, 8, 1, 1_000);
        assert!((one - 20.0).abs() < 0.1, "{one}");
        let gain = 8.0 * one / eight;
        assert!((1.2..1.3).contains(&gain), "{gain}");
    }

    #[test]
    fn the_fifth_of_few_slots_starts_when_one_is_free() {
        let (four, _) = serve(Kind::FewSlots, 4, 10, 100);
        let (five, _) = serve(Kind::FewSlots, 5, 10, 100);
        assert!(five > 1.7 * four, "{five} after {four}");
    }

    #[test]
    fn a_flat_server_takes_no_longer_with_a_hundred() {
        let (one, _) = serve(Kind::Flat, 1, 1, 100);
        let (hundred, _) = serve(Kind::Flat, 100, 1, 100);
        // The first starts alone; the others' prompts come with the second iteration.
        assert!((hundred - one - 0.040).abs() < 0.011, "{hundred} after {one}");
    }

    #[test]
    fn a_small_cache_preempts_what_runs_and_others_do_not() {
        for kind in Kind::ALL {
            let (_, preemptions) = serve(kind, 30, 200, 400);
            assert_eq!(preemptions > 0, kind == Kind::SmallCache, "{kind:?}");
        }
    }

    #[test]
    fn a_long_prompt_holds_others_up_unless_it_comes_in_chunks() {
        let longest_gap = |kind: Kind| {
            let (mut last, mut longest) = (Instant::ZERO, 0.0_f64);
            let requests = [(Instant::ZERO, 10, 200), (Instant::ZERO, 8_000, 1)];
            let note = |event: Event| {
                if event.id == 0 {
                    longest = longest.max(event.at.since(last).as_secs_f64());
                    last = event.at;
                }
                Some(())
            };
            Engine::new(kind.spec()).serve(requests, note).unwrap();
            longest
        };
        assert!((longest_gap(Kind::WholePrompts) - 1.226).abs() < 0.01, "{}", longest_gap(Kind::WholePrompts));
        assert!(longest_gap(Kind::Chunks) < 0.07, "{}", longest_gap(Kind::Chunks));
    }
}
