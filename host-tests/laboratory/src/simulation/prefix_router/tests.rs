use std::time::Duration;

use slo_router::scheduling::shape::Shape;

use super::*;
use crate::engine::{Content, Gauges, IterationCosts};

const IDLE: Status = Status {
    cached_tokens: 0,
    gauges: Gauges { running: 0, waiting: 0, kv_blocks_used: 0, kv_blocks: 1_000 },
    iteration_costs: IterationCosts {
        fixed_s: 0.01,
        per_sequence_s: 0.001,
        weights_s: 0.0,
        per_context_token_s: 0.0,
        per_computed_token_s: 1e-4,
    },
};

impl PrefixGateway {
    /// Ratings of both pods.
    fn rate(&mut self, request: &Request) -> [Rating; 2] {
        let pods: Vec<_> = self.flights.iter().map(|flights| Pod { status: &IDLE, flights }).collect();
        self.rule.rate(request, &pods).try_into().unwrap()
    }
}

/// Two pods.
fn gateway(router: PrefixRouter) -> PrefixGateway {
    PrefixGateway { statuses: vec![IDLE; 2], ..PrefixGateway::new(router, 2, 1) }
}

fn turn(id: RequestNumber, conversation: u32, tokens: u32) -> Request {
    let content = Some(Content::conversation(conversation));
    Request { id, prompt: Prompt { tokens, content }, output_tokens: 100 }
}

/// A request that runs on a pod, of which so many tokens are to be computed.
fn flight(uncached_tokens: u32) -> Flight {
    let request = Request { id: 1_000, prompt: Prompt::from(uncached_tokens), output_tokens: 100 };
    Flight { request, uncached_tokens, prefills: true }
}

#[test]
fn llm_d_keeps_to_the_pod_with_four_fifths_of_the_prompt_whatever_it_has_to_compute() {
    let mut gateway = gateway(PrefixRouter::LlmD);
    let home = gateway.place(turn(0, 1, 800 * 8));
    gateway.flights[home].push(flight(200_000));
    assert_eq!(gateway.place(turn(1, 1, 1_000 * 8)), home);
    // Less than four fifths of this one match.
    assert_ne!(gateway.place(turn(2, 1, 1_300 * 8)), home);
}

#[test]
fn llm_d_leaves_the_pod_where_its_first_token_would_come_18_s_later() {
    let mut gateway = gateway(PrefixRouter::LlmD);
    let home = gateway.place(turn(0, 1, 6_400));
    gateway.flights[home] = vec![flight(286_704)];
    assert_eq!(gateway.place(turn(1, 1, 6_400)), home);
    gateway.flights[home] = vec![flight(286_705)];
    assert_ne!(gateway.place(turn(2, 1, 6_400)), home);
}

#[test]
fn llm_d_forgets_the_blocks_that_were_used_longest_ago() {
    let mut gateway = gateway(PrefixRouter::LlmD);
    // An index of 1,000 blocks of 16 tokens.
    let home = gateway.place(turn(0, 1, 9_600));
    gateway.flights = vec![vec![flight(1); home], vec![flight(1); 1 - home]];
    gateway.flights[1 - home].push(flight(20_000));
    assert_eq!(gateway.place(turn(1, 2, 9_600)), home);
    let cached = |conversation| gateway.rate(&turn(2, conversation, 9_600))[home].cached_tokens;
    assert_eq!([1, 2].map(cached), [0, 9_600]);
}

#[test]
fn llm_ds_scorers_weigh_the_match_against_queue_and_cache() {
    let mut gateway = gateway(PrefixRouter::LlmDScorers);
    let home = gateway.place(turn(0, 1, 6_400));
    // 3 for the match against 2 for the queue, then against 2 for it and 1.2 for the cache.
    gateway.statuses[home].gauges.waiting = 5;
    assert_eq!(gateway.place(turn(1, 1, 6_400)), home);
    gateway.statuses[home].gauges.kv_blocks_used = 600;
    assert_ne!(gateway.place(turn(2, 1, 6_400)), home);
}

#[test]
fn dynamo_weighs_a_block_to_compute_like_one_to_hold() {
    let mut gateway = gateway(PrefixRouter::Dynamo);
    gateway.statuses[0].cached_tokens = 1_600;
    assert_eq!(gateway.place(turn(0, 1, 3_200)), 0);
    // On pod 0 100 blocks are pending and 200 held; the other one would compute 100 more.
    assert_eq!(gateway.place(turn(1, 2, 3_200)), 1);
    // A prompt that is held already adds no block.
    assert_eq!(gateway.place(turn(2, 1, 3_200)), 0);
}

#[test]
fn dynamo_holds_the_blocks_of_a_request_until_it_ends() {
    let mut gateway = gateway(PrefixRouter::Dynamo);
    let costs = |gateway: &mut PrefixGateway| gateway.rate(&turn(9, 9, 160)).map(|rating| rating.cost);
    let pod = gateway.place(turn(0, 1, 3_200));
    gateway.pods.push(pod);
    assert_eq!(costs(&mut gateway)[pod], 200.0 + 200.0 + 20.0);
    gateway.token(0, 1, Instant::ZERO);
    assert_eq!(costs(&mut gateway)[pod], 200.0 + 20.0);
    let outcome = Outcome {
        shape: Shape { input_tokens: 3_200, output_tokens: 100 },
        cached_tokens: None,
        ttft: Duration::ZERO,
        e2e: Duration::ZERO,
    };
    gateway.finish(0, outcome, Instant::ZERO);
    assert_eq!(costs(&mut gateway), [20.0; 2]);
}

#[test]
fn the_oracle_goes_where_least_time_is_added() {
    let mut gateway = gateway(PrefixRouter::Oracle);
    gateway.statuses[0].cached_tokens = 3_200;
    gateway.flights[0].push(flight(3_000));
    // 0.3 s of backlog against 0.32 s of prompt.
    gateway.statuses[0].iteration_costs.per_sequence_s = 0.0;
    gateway.statuses[1].iteration_costs.per_sequence_s = 0.0;
    assert_eq!(gateway.place(turn(0, 1, 3_200)), 0);
    gateway.flights[0].push(flight(3_000));
    assert_eq!(gateway.place(turn(1, 2, 3_200)), 1);
}

#[test]
fn the_oracle_counts_a_prompt_that_is_yet_to_be_computed_as_cached() {
    let mut gateway = gateway(PrefixRouter::Oracle);
    let first = gateway.place(turn(0, 1, 6_400));
    gateway.pods.push(first);
    assert_eq!(gateway.rate(&turn(1, 1, 6_400)).map(|rating| rating.cached_tokens)[first], 6_400);
    gateway.token(0, 1, Instant::ZERO);
    assert_eq!(gateway.rate(&turn(1, 1, 6_400)).map(|rating| rating.cached_tokens), [0, 0]);
}
