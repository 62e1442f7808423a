use std::time::Duration;

use super::choice::min_at_random;
use super::*;
use crate::scheduling::latency_model::LatencyModels;
use crate::scheduling::load::Load;
use crate::scheduling::pool::Pool;
use crate::scheduling::request::{Arrival, Assessment, Request};
use crate::scheduling::run::{Progress, Run};
use crate::scheduling::testing::{START, arrival, assess, load, pool, profile, urgent};
use crate::scheduling::time::Instant;
use crate::scheduling::view::{PodState, View};

fn state(share: f64, in_flight: u32) -> PodState {
    PodState { load: load(share), in_flight, ..PodState::default() }
}

/// The pods that a policy picks, over many draws.
fn picks(name: PolicyName, prefer: Prefer, pool: &Pool, states: &[PodState], request: &Request) -> Vec<usize> {
    picks_at(START, name, prefer, pool, states, request)
}

fn picks_at(
    now: Instant,
    name: PolicyName,
    prefer: Prefer,
    pool: &Pool,
    states: &[PodState],
    request: &Request,
) -> Vec<usize> {
    let mut picked: Vec<usize> = (0..64)
        .flat_map(|seed| {
            let mut view = View::new(pool, states.to_vec());
            let mut rng = fastrand::Rng::with_seed(seed);
            name.build(Preferences { prefer, ..Preferences::default() }).decide(
                &mut view,
                &[request],
                &mut Round::new(now, &mut rng, &mut LatencyModels::default()),
            )
        })
        .map(|decision| decision.pod)
        .collect();
    picked.sort_unstable();
    picked.dedup();
    picked
}

/// A fast and dear deployment of one pod (1 s), a slow and cheap one of one pod (3 s).
fn two_prices() -> Pool {
    let mut dear = profile(&[(0.5, 1.0)], 5.0);
    dear.cost = 2.0;
    pool(&[("fast", 1, Some(dear)), ("slow", 1, Some(profile(&[(0.5, 3.0)], 5.0)))])
}

fn one_deployment(pods: u8) -> Pool {
    pool(&[("d", pods, Some(profile(&[(0.2, 1.0)], 5.0)))])
}

#[test]
fn pulling_breaks_ties_of_load_by_requests_in_flight_and_then_at_random() {
    let pool = one_deployment(3);
    let request = assess(arrival(1, 0, START), &pool);
    for policy in [pull::SLO, pull::SLO_PACK_LOAD] {
        let in_flight = [state(0.2, 3), state(0.2, 1), state(0.2, 2)];
        assert_eq!(picks(policy, Prefer::Slack, &pool, &in_flight, &request), [1], "{policy}");
        assert_eq!(picks(policy, Prefer::Slack, &pool, &[state(0.2, 1); 3], &request), [0, 1, 2], "{policy}");
    }
}

#[test]
fn a_millionth_of_a_pod_outweighs_any_requests_in_flight() {
    let pool = one_deployment(2);
    let request = assess(arrival(1, 0, START), &pool);
    let states = [state(0.400_001, 0), state(0.4, 1_000_000)];
    assert_eq!(picks(pull::SLO, Prefer::Slack, &pool, &states, &request), [1]);
}

#[test]
fn spreading_goes_by_load_relative_to_rates_over_all_deployments_in_time() {
    // 5 requests/s a pod against 2.5/s.
    let pool = pool(&[("fast", 1, Some(profile(&[(0.2, 1.0)], 5.0))), ("slow", 1, Some(profile(&[(0.2, 2.0)], 5.0)))]);
    let request = assess(arrival(1, 0, START), &pool);
    let pick = |states: [PodState; 2]| picks(pull::SLO, Prefer::Slack, &pool, &states, &request);
    assert_eq!(pick([state(0.1, 1), state(0.0, 0)]), [0], "0.3 at 5/s rather than 0.2 at 2.5/s");
    assert_eq!(pick([state(0.6, 3), state(0.0, 0)]), [1], "0.8 at 5/s take longer, with more slack");
    assert_eq!(pick([state(0.8, 4), state(0.9, 4)]), [0], "the other one is full");
    let late_on_the_slow_one = START.after(Duration::from_secs(4));
    let states = [state(0.6, 3), state(0.0, 0)];
    assert_eq!(picks_at(late_on_the_slow_one, pull::SLO, Prefer::Slack, &pool, &states, &request), [0]);
}

#[test]
fn packing_fills_a_pod_half_then_the_next_and_then_spreads() {
    let pool = one_deployment(3);
    let request = assess(arrival(1, 0, START), &pool);
    let pick = |shares: [f64; 3]| {
        let states = shares.map(|share| state(share, 1));
        picks(pull::SLO_PACK_LOAD, Prefer::Slack, &pool, &states, &request)
    };
    assert_eq!(pick([0.1, 0.2, 0.0]), [1]);
    assert_eq!(pick([0.1, 0.3, 0.0]), [0], "0.3 and 0.2 would be more than half");
    assert_eq!(pick([0.4, 0.4, 0.0]), [2], "the next one is started");
    assert_eq!(pick([0.6, 0.4, 0.5]), [1], "all are half full: the emptiest");
    assert_eq!(pick([0.9, 0.8, 0.9]), [1], "up to the capacity");
    assert_eq!(pick([0.9, 0.9, 0.9]), [0; 0]);
}

#[test]
fn no_pod_is_given_more_requests_than_were_seen_to_keep_objectives() {
    let pool = one_deployment(2);
    let full = PodState { sustained: Some(4), ..state(0.1, 4) };
    let states = [full, state(0.5, 10)];
    let request = assess(arrival(1, 0, START), &pool);
    for policy in [pull::SLO, pull::SLO_PACK_LOAD] {
        assert_eq!(picks(policy, Prefer::Slack, &pool, &states, &request), [1], "{policy}");
        assert_eq!(picks(policy, Prefer::Slack, &pool, &[full; 2], &request), [0; 0], "{policy}");
    }
}

#[test]
fn packing_fills_not_half_of_the_requests_that_a_pod_sustains() {
    let pool = one_deployment(2);
    let packed = |in_flight| {
        let states = [PodState { sustained: Some(10), ..state(0.1, in_flight) }, state(0.0, 0)];
        picks(pull::SLO_PACK_LOAD, Prefer::Slack, &pool, &states, &assess(arrival(1, 0, START), &pool))
    };
    assert_eq!([packed(3), packed(4)], [[0], [1]]);
}

#[test]
fn packing_opens_a_pod_of_the_deployment_with_most_slack_or_of_the_cheapest() {
    let pool = two_prices();
    let request = assess(arrival(1, 0, START), &pool);
    let pick = |prefer| picks(pull::SLO_PACK_LOAD, prefer, &pool, &[PodState::default(); 2], &request);
    assert_eq!((pick(Prefer::Slack), pick(Prefer::Cheapest)), (vec![0], vec![1]));
}

#[test]
fn a_late_request_leaves_room_for_those_in_time() {
    let pool = one_deployment(1);
    let late = START.after(Duration::from_secs(5));
    let request = assess(arrival(1, 0, START), &pool);
    for policy in [pull::SLO, pull::SLO_PACK_LOAD] {
        let pick = |now, share| picks_at(now, policy, Prefer::Slack, &pool, &[state(share, 1)], &request);
        assert_eq!((pick(late, 0.6), pick(late, 0.61)), (vec![0], vec![]), "{policy}");
        assert_eq!(pick(START, 0.61), [0], "{policy}");
    }
}

#[test]
fn an_idle_pod_takes_any_late_request() {
    let pool = pool(&[("d", 1, Some(profile(&[(0.7, 1.0)], 5.0)))]);
    let late = assess(urgent(1, 0, START, Duration::from_millis(500)), &pool);
    assert_eq!(picks(pull::SLO, Prefer::Slack, &pool, &[PodState::default()], &late), [0]);
    assert_eq!(picks(pull::SLO, Prefer::Slack, &pool, &[state(0.2, 1)], &late), [0; 0]);
}

#[test]
fn the_cheapest_deployment_that_is_in_time_is_filled_first_where_preferred() {
    let pool = two_prices();
    let empty = [PodState::default(); 2];
    let pick = |request: &Request, seconds| {
        let now = START.after(Duration::from_secs(seconds));
        picks_at(now, pull::SLO, Prefer::Cheapest, &pool, &empty, request)
    };
    let request = assess(arrival(1, 0, START), &pool);
    assert_eq!(pick(&request, 0), [1]);
    assert_eq!(pick(&request, 3), [0], "the cheap one would be late");
    assert_eq!(pick(&request, 9), [0], "late anywhere: where it comes nearest");
}

#[test]
fn a_late_request_fills_no_deployment_but_the_one_where_it_comes_nearest() {
    let pool = two_prices();
    let late = assess(urgent(1, 0, START, Duration::from_millis(500)), &pool);
    let states = [state(0.6, 1), state(0.0, 0)];
    for prefer in [Prefer::Slack, Prefer::Cheapest] {
        assert_eq!(picks(pull::SLO, prefer, &pool, &states, &late), [0; 0], "{prefer:?}");
    }
}

#[test]
fn one_pass_places_the_most_urgent_first_and_as_many_as_fit() {
    let pool = one_deployment(1);
    let requests: Vec<Request> = (0..7).map(|id| assess(arrival(id, 0, START), &pool)).collect();
    let waiting: Vec<&Request> = requests.iter().collect();
    for policy in [pull::SLO, pull::SLO_PACK_LOAD] {
        let mut view = View::new(&pool, Vec::new());
        let mut rng = fastrand::Rng::with_seed(1);
        let decisions = policy.build(Preferences::default()).decide(
            &mut view,
            &waiting,
            &mut Round::new(START, &mut rng, &mut LatencyModels::default()),
        );
        let placed: Vec<u32> = decisions.iter().map(|decision| decision.request.0).collect();
        assert_eq!((placed, view.state(0).load), (vec![0, 1, 2, 3, 4], Load::CAPACITY), "{policy}");
    }
}

#[test]
fn least_request_counts_requests() {
    let pool = pool(&[("d", 3, None)]);
    let request = assess(arrival(1, 0, START), &pool);
    let pick = |states: [PodState; 3]| picks(least_request::LEAST_REQUEST, Prefer::Slack, &pool, &states, &request);
    assert_eq!(pick([state(0.0, 3), state(0.9, 1), state(0.0, 2)]), [1]);
    assert_eq!(pick([state(0.0, 1), state(0.0, 2), state(0.0, 1)]), [0, 2]);
}

#[test]
fn lmetric_takes_the_least_product_of_new_prompt_tokens_and_requests() {
    let pool = pool(&[("d", 2, None)]);
    // One request on the first pod, whose 1,000 prompt tokens are to be computed; three that decode
    // on the second.
    for (prompt_tokens, chosen) in [(100, 1), (5_000, 0)] {
        let mut arrival = arrival(1, 0, START);
        arrival.shape.input_tokens = prompt_tokens;
        let request = assess(arrival, &pool);
        let mut view = View::new(&pool, vec![state(0.0, 1), state(0.0, 3)]);
        let run = |prompt_tokens, progress| Run {
            prompt_tokens,
            computed_tokens: f64::from(prompt_tokens),
            progress,
            ..request.as_run(&request.prospects[0], 0.0, START)
        };
        let decoding = Progress::Decoding { first_token_at: START, tokens: 1, seen_at: START };
        view.tell_runs(vec![vec![run(1_000, Progress::Prefilling)], vec![run(9_000, decoding); 3]]);
        let (mut rng, mut latency_models) = (fastrand::Rng::with_seed(1), LatencyModels::default());
        let mut round = Round::new(START, &mut rng, &mut latency_models);
        let decisions = lmetric::LMETRIC.build(Preferences::default()).decide(&mut view, &[&request], &mut round);
        assert_eq!(decisions[0].pod, chosen, "{prompt_tokens} tokens");
    }
}

#[test]
fn least_request_weighs_by_rates_where_all_have_one() {
    // 2 requests/s a pod against 2/3.
    let rated = two_prices();
    let request = assess(arrival(1, 0, START), &rated);
    let pick = |states: [PodState; 2]| picks(least_request::LEAST_REQUEST, Prefer::Slack, &rated, &states, &request);
    assert_eq!(pick([state(0.0, 1), state(0.0, 0)]), [0], "2 requests at 2/s rather than 1 at 2/3");
    assert_eq!(pick([state(0.0, 3), state(0.0, 0)]), [1], "4 at 2/s take longer");
}

#[test]
fn pushing_prefers_the_pod_that_works_it_off_soonest() {
    let pool = two_prices();
    let request = assess(arrival(1, 0, START), &pool);
    let pick = |states: [PodState; 2]| picks(push::SLO_LEAST_LOAD, Prefer::Slack, &pool, &states, &request);
    assert_eq!(pick([state(0.5, 1), state(0.0, 0)]), [0], "1.0 at 2/s rather than 0.5 at 2/3");
    assert_eq!(pick([state(1.5, 3), state(0.0, 0)]), [1], "2.0 at 2/s take longer");
}

#[test]
fn random_goes_anywhere_and_about_equally_often() {
    let pool = one_deployment(4);
    let request = assess(arrival(1, 0, START), &pool);
    let mut rng = fastrand::Rng::with_seed(1);
    let mut counts = [0; 4];
    for _ in 0..4_000 {
        let mut view = View::new(&pool, vec![state(2.0, 9), state(0.0, 0), state(0.0, 0), state(0.5, 1)]);
        let mut latency_models = LatencyModels::default();
        let mut round = Round::new(START, &mut rng, &mut latency_models);
        counts[random::RANDOM.build(Preferences::default()).decide(&mut view, &[&request], &mut round)[0].pod] += 1;
    }
    assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
}

#[test]
fn what_no_profile_judges_is_held_by_the_default_concurrency_under_any_policy() {
    let pool = pool(&[("d", 1, None)]);
    let how = Assessment { default_concurrency: Some(2.0), ..Default::default() };
    for policy in [least_request::LEAST_REQUEST, random::RANDOM] {
        let arrival = Arrival { policy, ..arrival(1, 0, START) };
        let request = Request::assess(arrival, &pool, &how);
        let pick = |share| picks(policy, Prefer::Slack, &pool, &[state(share, 1)], &request);
        assert_eq!((pick(0.5), pick(0.6)), (vec![0], vec![]), "{policy}");
    }
}

#[test]
fn the_smallest_is_found_and_equals_are_drawn_equally_often() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut counts = [0; 5];
    for _ in 0..3_000 {
        let keys = [2.0, 1.0, 1.0, 3.0, 1.0];
        counts[min_at_random(0..5_usize, |item| keys[*item], &mut rng).unwrap()] += 1;
    }
    assert_eq!((counts[0], counts[3]), (0, 0));
    assert!([1, 2, 4].iter().all(|item| (850..1150).contains(&counts[*item])), "{counts:?}");
    assert_eq!(min_at_random(0..0_usize, |_| 0.0, &mut rng), None);
}
