//! Time of an iteration: by the roofline of a GPU and a model, or by a line.
//!
//! The line is for servers that no roofline describes, and for tests whose expected times are exact.

use std::time::Duration;

use super::roofline::{IterationCosts, Roofline, Work};

/// An iteration of `fixed + sequences · per_sequence + context tokens · per_context_token + prompt tokens · per_prompt_token`
/// seconds, and no less than the least.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinearCosts {
    /// However little is in it.
    pub least_s: f64,
    /// Whatever is in it.
    pub fixed_s: f64,
    /// Of each sequence.
    pub per_sequence_s: f64,
    /// Of each token of context that attention reads.
    pub per_context_token_s: f64,
    /// Of each token of a prompt that is computed.
    pub per_prompt_token_s: f64,
}

/// A server's cost model.
#[derive(Clone, Copy, Debug)]
pub(super) enum Costs {
    Roofline(Roofline),
    Linear(LinearCosts),
}

// === impl LinearCosts ===

impl LinearCosts {
    fn time_of(&self, work: Work) -> Duration {
        let varying_s = self.per_sequence_s * f64::from(work.sequences)
            + self.per_context_token_s * work.context_tokens as f64
            + self.per_prompt_token_s * work.prompt_tokens as f64;
        Duration::from_secs_f64((self.fixed_s + varying_s).max(self.least_s))
    }
}

// === impl Costs ===

impl Costs {
    /// Returns the time that an iteration with this work takes.
    pub(super) fn time_of(&self, work: Work) -> Duration {
        match self {
            Self::Roofline(roofline) => roofline.time_of(work),
            Self::Linear(linear) => linear.time_of(work),
        }
    }

    /// See [`IterationCosts`]; of a line they are exact but for its least, and for prompts, which it adds instead of taking
    /// the larger.
    pub(super) fn at_least(&self) -> IterationCosts {
        match self {
            Self::Roofline(roofline) => roofline.costs(),
            Self::Linear(linear) => IterationCosts {
                fixed_s: linear.fixed_s,
                per_sequence_s: linear.per_sequence_s,
                weights_s: 0.0,
                per_context_token_s: linear.per_context_token_s,
                per_computed_token_s: linear.per_prompt_token_s,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use slo_router::scheduling::time::Instant;

    use crate::engine::{
        Batching, Behaviour, Content, Engine, EngineSpec, Event, EventKind, LinearCosts, Offloading, Prompt,
    };

    const STEEP: LinearCosts = LinearCosts {
        least_s: 0.0,
        fixed_s: 0.030,
        per_sequence_s: 0.002,
        per_context_token_s: 0.0,
        per_prompt_token_s: 0.0,
    };

    /// Returns the time at which each request ends, microseconds, if all come at once.
    fn ends(costs: LinearCosts, max_sequences: usize, requests: &[(u32, u32)]) -> Vec<u128> {
        let batching = Batching { token_budget: 2_048, max_sequences };
        let mut ends = vec![0; requests.len()];
        let requests = requests.iter().map(|(prompt, output)| (Instant::ZERO, *prompt, *output));
        let note = |event: Event| {
            if matches!(event.kind, EventKind::Finished { .. }) {
                ends[event.id as usize] = event.at.since(Instant::ZERO).as_micros();
            }
            Some(())
        };
        Engine::new(EngineSpec::linear(costs, 100_000, batching)).serve(requests, note).unwrap();
        ends
    }

    #[test]
    fn an_iteration_of_a_steep_server_takes_30_ms_and_2_for_each_sequence() {
        // The first starts alone, since the engine starts as soon as it has work.
        assert_eq!(ends(STEEP, 64, &[(10, 1)]), [32_000]);
        assert_eq!(ends(STEEP, 64, &[(10, 10), (10, 10)]), [32_000 + 9 * 34_000, 32_000 + 9 * 34_000 + 32_000]);
    }

    #[test]
    fn a_request_without_a_slot_waits_for_one() {
        assert_eq!(ends(STEEP, 1, &[(10, 2), (10, 3)]), [64_000, 64_000 + 3 * 32_000]);
    }

    #[test]
    fn context_and_prompts_cost_what_they_are_told_to() {
        let costs = LinearCosts { per_context_token_s: 1e-5, per_prompt_token_s: 1e-4, ..STEEP };
        // 100 tokens of prompt, then a token with a context of 100.
        assert_eq!(ends(costs, 64, &[(100, 2)]), [32_000 + 10_000 + 32_000 + 1_000]);
    }

    #[test]
    fn up_to_its_least_an_iteration_takes_as_long_whatever_is_in_it() {
        let costs = LinearCosts { least_s: 0.012, per_sequence_s: 0.004, ..LinearCosts::default() };
        assert_eq!(ends(costs, 64, &[(10, 1)]), [12_000]);
        // The first starts alone; then three fill an iteration, and the fourth stretches it.
        assert_eq!(ends(costs, 64, &[(1, 3); 3])[0], 3 * 12_000);
        assert_eq!(ends(costs, 64, &[(1, 3); 4])[0], 12_000 + 2 * 16_000);
    }

    #[test]
    fn what_a_cache_knows_of_a_prompt_is_not_computed_again() {
        let costs = LinearCosts { per_prompt_token_s: 1e-3, ..STEEP };
        let spec = EngineSpec::linear(costs, 10_000, Batching { token_budget: 2_048, max_sequences: 4 });
        let mut engine = Engine::new(spec.behaving(Behaviour { keeps_blocks: true, ..Behaviour::PLAIN }));
        let content = Some(Content::conversation(1));
        let mut served = |id, tokens, output, now: Instant| {
            engine.submit(id, Prompt { tokens, content }, output, now).unwrap();
            let events = engine.advance(now.after(Duration::from_secs(100)));
            let last = events[events.len() - 1];
            let EventKind::Finished { cached_tokens } = last.kind else { panic!("{last:?}") };
            (last.at.since(now).as_micros(), cached_tokens)
        };
        assert_eq!(served(1, 100, 2, Instant::ZERO), (32_000 + 100_000 + 32_000, 0));
        // Six full blocks of the prompt; the answer's last token was never computed, so that no more of its block is known.
        let later = Instant::ZERO.after(Duration::from_secs(1_000));
        assert_eq!(served(2, 120, 1, later), (32_000 + 24_000, 96));
    }

    #[test]
    fn what_comes_from_the_hosts_memory_costs_its_copy_and_is_not_computed_again() {
        let costs = LinearCosts { per_prompt_token_s: 1e-3, ..STEEP };
        let spec = EngineSpec::linear(costs, 160, Batching { token_budget: 2_048, max_sequences: 4 });
        let offloading = Some(Offloading { tokens: 1_000, load_s_per_token: 1e-4 });
        let mut engine = Engine::new(spec.behaving(Behaviour { keeps_blocks: true, offloading, ..Behaviour::PLAIN }));
        let mut served_us = |id, conversation| {
            let now = Instant::ZERO.after(Duration::from_secs(100 * id));
            let content = Some(Content::conversation(conversation));
            engine.submit(id, Prompt { tokens: 144, content }, 1, now).unwrap();
            engine.advance(now.after(Duration::from_secs(50))).last().unwrap().at.since(now).as_micros()
        };
        assert_eq!([served_us(1, 1), served_us(2, 2)], [32_000 + 144_000; 2]);
        // Of the first one's nine blocks a single one is on the GPU; the last block is computed.
        assert_eq!(served_us(3, 1), 32_000 + 16_000 + 7 * 1_600);
    }

    #[test]
    fn a_cache_has_whole_blocks_and_at_least_one() {
        let batching = Batching { token_budget: 2_048, max_sequences: 4 };
        assert_eq!(EngineSpec::linear(STEEP, 100, batching).kv_tokens(), 96);
        assert_eq!(EngineSpec::linear(STEEP, 0, batching).kv_tokens(), 16);
    }
}
