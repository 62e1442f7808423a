use std::rc::Rc;

use super::super::{Attainment, Policy};
use super::placing::{latency_models, profile, request, runs};
use crate::scheduling::latency_model::LatencyModels;
use crate::scheduling::policies::{Lateness, Round};
use crate::scheduling::pool::Pool;
use crate::scheduling::prefix::{PrefixIndex, PromptHeads, ServedTokens};
use crate::scheduling::request::{Arrival, Request};
use crate::scheduling::run::Run;
use crate::scheduling::testing::{START, pool};
use crate::scheduling::view::{PodState, View};

const PROMPT_TOKENS: u32 = 8_000;

/// Pods that a prompt of which the first one has all in its cache goes to, over many draws, where
/// so much runs on each.
fn pods_of(pool: &Pool, on: &[Vec<Run>], mut latency_models: LatencyModels) -> Vec<usize> {
    let mut index = PrefixIndex::new(64);
    let heads = Rc::new(PromptHeads::of_session(1, b"a"));
    let placed = index.placed(Rc::clone(&heads), PROMPT_TOKENS, pool.pods()[0].id, pool.deployments()[0].id);
    let served = ServedTokens { prompt_tokens: PROMPT_TOKENS, output_tokens: 0, cached_tokens: Some(16) };
    index.answered(&placed, &served);
    let request = request(1, PROMPT_TOKENS, 200, START, pool);
    let request = Request { arrival: Arrival { heads, ..request.arrival }, ..request };
    let picked = |seed| {
        let states = on.iter().map(|runs| PodState { in_flight: runs.len() as u32, ..PodState::default() });
        let mut view = View::new(pool, states.collect());
        view.tell_runs(on.to_vec());
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut round = Round { prefixes: Some(&index), ..Round::new(START, &mut rng, &mut latency_models) };
        let decisions = Attainment::new(Lateness::default()).decide(&mut view, &[&request], &mut round);
        decisions.first().map(|decision| decision.pod)
    };
    let mut picked: Vec<usize> = (0..16).filter_map(picked).collect();
    picked.dedup();
    picked
}

#[test]
fn a_prompt_goes_where_it_is_cached_until_that_would_cost_those_there_more() {
    let pool = pool(&[("d", 2, Some(profile()))]);
    let pods = |count| pods_of(&pool, &[runs(count, 500), Vec::new()], latency_models(&pool));
    assert_eq!([pods(0), pods(4), pods(200)], [[0], [0], [1]]);
}

#[test]
fn while_no_model_is_relied_on_a_prompt_goes_where_it_is_cached_up_to_three_times_the_load() {
    let pool = pool(&[("d", 2, None)]);
    let pods = |count| pods_of(&pool, &[runs(count, 500), Vec::new()], latency_models(&pool));
    assert_eq!([pods(0), pods(2), pods(3)], [[0], [0], [1]]);
}

#[test]
fn a_pod_that_has_the_prompt_is_considered_though_many_others_run_less() {
    let pool = pool(&[("d", 40, Some(profile()))]);
    let mut on = vec![Vec::new(); 40];
    on[0] = runs(2, 500);
    assert_eq!(pods_of(&pool, &on, latency_models(&pool)), [0]);
}

#[test]
fn no_more_is_decided_than_is_carried_out() {
    let pool = pool(&[("d", 8, Some(profile()))]);
    let waiting: Vec<Request> = (0..8).map(|id| request(id, 500, 200, START, &pool)).collect();
    let decided = |most_decisions| {
        let mut view = View::new(&pool, vec![PodState::default(); 8]);
        let (mut rng, mut latency_models) = (fastrand::Rng::with_seed(1), latency_models(&pool));
        let mut round = Round { most_decisions, ..Round::new(START, &mut rng, &mut latency_models) };
        let waiting: Vec<&Request> = waiting.iter().collect();
        Attainment::new(Lateness::default()).decide(&mut view, &waiting, &mut round).len()
    };
    assert_eq!([3, 100].map(decided), [3, 8]);
}
