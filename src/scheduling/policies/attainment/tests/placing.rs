use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::outlook::{CachedPrompt, Effect, PodOutlook};
use super::super::{Attainment, Policy};
use crate::scheduling::latency_model::{ComputedShares, LatencyModels, StepModel};
use crate::scheduling::occupancy::{Occupancy, Pace, Spread};
use crate::scheduling::policies::{Lateness, Round, attainment};
use crate::scheduling::pool::Pool;
use crate::scheduling::prediction::{LengthDistribution, OutputLengths};
use crate::scheduling::profile::Profile;
use crate::scheduling::request::{Arrival, Request};
use crate::scheduling::run::{Progress, Run};
use crate::scheduling::shape::Shape;
use crate::scheduling::slo::Slo;
use crate::scheduling::testing::{START, arrival, assess, pool};
use crate::scheduling::time::Instant;
use crate::scheduling::view::{PodState, View};
use crate::scheduling::weight::Weight;

const MODEL: StepModel =
    StepModel { base_s: 0.020, per_request_s: 1e-4, per_context_token_s: 1e-6, per_prefill_token_s: 2e-4 };

/// SLO A of the evaluations.
fn slo() -> Slo {
    Slo { e2e_per_output_token: Some(Duration::from_millis(50)), ..Slo::default() }
}

fn lengths(tokens: u32) -> OutputLengths {
    OutputLengths::new(Rc::new(LengthDistribution::certain(tokens)), u32::MAX)
}

pub(super) fn request(id: u32, prompt_tokens: u32, output_tokens: u32, at: Instant, pool: &Pool) -> Request {
    let arrival = Arrival {
        policy: attainment::SLO_ATTAINMENT,
        shape: Shape { output_tokens, input_tokens: prompt_tokens },
        lengths: Some(lengths(output_tokens)),
        slo: Some(slo()),
        ..arrival(id, 0, at)
    };
    assess(arrival, pool)
}

/// Streams in the middle of answers of 200 tokens.
pub(super) fn runs(count: usize, prompt_tokens: u32) -> Vec<Run> {
    let progress =
        Progress::Decoding { first_token_at: START.before(Duration::from_secs(3)), tokens: 100, seen_at: START };
    let run = Run {
        prompt_tokens,
        computed_tokens: prompt_tokens.into(),
        arrived_at: START.before(Duration::from_millis(3_200)),
        placed_at: START.before(Duration::from_millis(3_200)),
        progress,
        slo: slo(),
        lengths: Some(lengths(200)),
        weight: Weight::default(),
    };
    vec![run; count]
}

/// A profile of a pod that makes a token each 25 ms, for a request or ten.
pub(super) fn profile() -> Profile {
    let document = serde_json::json!({
        "gpu": "g", "indexes": [[64, 256], [64, 512]], "tputs": [[5.0, 2.0], [1.5, 0.8]],
        "e2e": [[1.6, 1.7], [6.4, 6.7]], "ttft": [[0.05, 0.12], [0.05, 0.12]],
    });
    Profile::from_json(document.to_string().as_bytes()).unwrap()
}

pub(super) fn latency_models(pool: &Pool) -> LatencyModels {
    let mut latency_models = LatencyModels::new(true);
    latency_models.meet(pool);
    latency_models
}

pub(super) fn placed(pool: &Pool, on: Vec<Vec<Run>>, waiting: &[&Request], now: Instant) -> Vec<(u32, usize)> {
    let states = on.iter().map(|runs| PodState { in_flight: runs.len() as u32, ..PodState::default() }).collect();
    let mut view = View::new(pool, states);
    view.tell_runs(on);
    let mut rng = fastrand::Rng::with_seed(1);
    let mut latency_models = latency_models(pool);
    let decisions = Attainment::new(Lateness::default()).decide(
        &mut view,
        waiting,
        &mut Round::new(now, &mut rng, &mut latency_models),
    );
    decisions.iter().map(|decision| (decision.request.0, decision.pod)).collect()
}

#[test]
fn a_request_goes_where_it_costs_those_that_run_least() {
    let pool = pool(&[("d", 2, Some(profile()))]);
    let newcomer = request(1, 500, 200, START, &pool);
    assert_eq!(placed(&pool, vec![runs(12, 1_000), runs(4, 1_000)], &[&newcomer], START), [(1, 1)]);
}

#[test]
fn a_request_that_would_cost_more_than_it_is_worth_is_held() {
    let pool = pool(&[("d", 1, Some(profile()))]);
    // Each of 12 streams would be stalled by a prompt of 3,000 tokens for longer than it has to
    // spare.
    let mut tight = runs(12, 1_000);
    tight.iter_mut().for_each(|run| run.arrived_at = START.before(Duration::from_millis(6_900)));
    let newcomer = request(1, 3_000, 400, START, &pool);
    assert_eq!(placed(&pool, vec![tight], &[&newcomer], START), []);
    assert_eq!(placed(&pool, vec![vec![]], &[&newcomer], START), [(1, 0)]);
}

#[test]
fn a_request_that_waits_alone_is_not_held_for_what_all_lose_a_little_of() {
    let pool = pool(&[("d", 1, Some(profile()))]);
    // Their slack differs, so a newcomer makes a few of them late.
    let mut tight = runs(24, 1_000);
    for (index, run) in tight.iter_mut().enumerate() {
        run.arrived_at = START.before(Duration::from_millis(5_360 + 60 * index as u64));
    }
    let [one, other] = [1, 2].map(|id| request(id, 1_000, 400, START, &pool));
    assert_eq!(placed(&pool, vec![tight.clone()], &[&one], START), [(1, 0)]);
    assert_eq!(placed(&pool, vec![tight], &[&one, &other], START), []);
}

#[test]
fn the_request_with_the_largest_gain_goes_first() {
    let pool = pool(&[("d", 1, Some(profile()))]);
    // 20 tokens in 1 s are too few for a prompt of 4,000; 400 tokens leave it time.
    let (doubtful, sure) = (request(1, 4_000, 20, START, &pool), request(2, 100, 400, START, &pool));
    assert_eq!(placed(&pool, vec![vec![]], &[&doubtful, &sure], START).first(), Some(&(2, 0)));
}

#[test]
fn a_hopeless_request_goes_to_a_pod_where_it_costs_nothing_and_to_no_other() {
    let pool = pool(&[("d", 1, Some(profile()))]);
    let hopeless = request(1, 3_000, 50, START.before(Duration::from_secs(10)), &pool);
    assert_eq!(placed(&pool, vec![vec![]], &[&hopeless], START), [(1, 0)]);
    let mut tight = runs(12, 1_000);
    tight.iter_mut().for_each(|run| run.arrived_at = START.before(Duration::from_millis(6_900)));
    assert_eq!(placed(&pool, vec![tight], &[&hopeless], START), []);
}

/// A prompt that is too long for its objective even there.
#[test]
fn an_idle_pod_takes_what_waits_since_nobody_loses() {
    let pool = pool(&[("d", 1, Some(profile()))]);
    let hopeless = request(1, 30_000, 2, START, &pool);
    assert_eq!(placed(&pool, vec![vec![]], &[&hopeless], START), [(1, 0)]);
}

#[test]
fn without_anything_known_of_a_deployment_requests_are_spread_by_number() {
    let pool = pool(&[("d", 2, None)]);
    let newcomer = request(1, 500, 200, START, &pool);
    assert_eq!(placed(&pool, vec![runs(1, 9_000), runs(2, 10)], &[&newcomer], START), [(1, 0)]);
}

#[test]
fn a_request_without_an_objective_is_placed_too() {
    let pool = pool(&[("d", 1, Some(profile()))]);
    let arrival = Arrival { policy: attainment::SLO_ATTAINMENT, ..arrival(1, 0, START) };
    let newcomer = assess(arrival, &pool);
    assert_eq!(placed(&pool, vec![runs(3, 100)], &[&newcomer], START), [(1, 0)]);
}

#[test]
fn what_is_held_is_not_judged_again_while_nothing_changes() {
    let pool = pool(&[("d", 1, Some(profile()))]);
    let hopeless = request(1, 3_000, 50, START.before(Duration::from_secs(10)), &pool);
    let mut tight = runs(12, 1_000);
    tight.iter_mut().for_each(|run| run.arrived_at = START.before(Duration::from_millis(6_900)));
    let (mut policy, mut latency_models) = (Attainment::new(Lateness::default()), latency_models(&pool));
    let mut passes = |on: &[Run], at: Instant| {
        let mut view = View::new(&pool, vec![PodState { in_flight: 12, ..PodState::default() }]);
        view.tell_runs(vec![on.to_vec()]);
        let mut rng = fastrand::Rng::with_seed(1);
        let mut round = Round::new(at, &mut rng, &mut latency_models);
        policy.decide(&mut view, &[&hopeless], &mut round).len()
    };
    let after = |millis| START.after(Duration::from_millis(millis));
    assert_eq!(passes(&tight, START), 0);
    // It would go if it were looked at: the count is the same, what runs is not.
    let light = runs(12, 1);
    assert_eq!([passes(&light, after(49)), passes(&light, after(50))], [0, 1]);
}

#[test]
fn what_was_placed_is_judged_again_at_once_since_another_vm_may_have_taken_the_room() {
    let pool = pool(&[("d", 1, Some(profile()))]);
    let newcomer = request(1, 500, 200, START, &pool);
    let (mut policy, mut latency_models) = (Attainment::new(Lateness::default()), latency_models(&pool));
    for _ in 0..2 {
        let mut view = View::new(&pool, vec![PodState::default()]);
        view.tell_runs(vec![vec![]]);
        let mut rng = fastrand::Rng::with_seed(1);
        let mut round = Round::new(START, &mut rng, &mut latency_models);
        assert_eq!(policy.decide(&mut view, &[&newcomer], &mut round).len(), 1);
    }
}

#[test]
fn a_request_of_a_dear_class_may_cost_others_more() {
    let pool = pool(&[("d", 1, Some(profile()))]);
    let mut tight = runs(12, 1_000);
    tight.iter_mut().for_each(|run| run.arrived_at = START.before(Duration::from_millis(6_900)));
    let mut newcomer = request(1, 3_000, 400, START, &pool);
    assert_eq!(placed(&pool, vec![tight.clone()], &[&newcomer], START), []);
    newcomer.arrival.weight = Weight::new(100.0).unwrap();
    assert_eq!(placed(&pool, vec![tight.clone()], &[&newcomer], START), [(1, 0)]);
    tight.iter_mut().for_each(|run| run.weight = Weight::new(100.0).unwrap());
    assert_eq!(placed(&pool, vec![tight], &[&newcomer], START), []);
}

#[test]
fn a_request_for_which_no_cache_has_room_is_held() {
    let pool = pool(&[("d", 1, Some(profile()))]);
    let newcomer = request(1, 1_000, 400, START, &pool);
    let mut places = |room_tokens: Option<f64>| {
        let mut latency_models = latency_models(&pool);
        let deployment = pool.deployments()[0].id;
        if let Some(tokens) = room_tokens {
            latency_models.room(deployment, tokens, true, START);
        }
        let mut view = View::new(&pool, vec![PodState { in_flight: 4, ..PodState::default() }]);
        view.tell_runs(vec![runs(4, 1_000)]);
        let mut rng = fastrand::Rng::with_seed(1);
        let mut round = Round::new(START, &mut rng, &mut latency_models);
        Attainment::new(Lateness::default()).decide(&mut view, &[&newcomer], &mut round).len()
    };
    // Four streams with 1,100 tokens each are there.
    assert_eq!([None, Some(5_300.0), Some(5_500.0)].map(&mut places), [1, 0, 1]);
}

#[test]
fn no_class_waits_in_vain_for_ever() {
    let pool = pool(&[("d", 1, Some(profile()))]);
    let (mut policy, mut latency_models) = (Attainment::new(Lateness::default()), latency_models(&pool));
    let mut waited_s = |class| {
        let mut hopeless = request(1, 3_000, 50, START.before(Duration::from_secs(10)), &pool);
        hopeless.arrival.class = class;
        (0_u64..60).find(|second| {
            let at = START.after(Duration::from_secs(*second));
            let mut tight = runs(12, 1_000);
            tight.iter_mut().for_each(|run| {
                run.arrived_at = at.before(Duration::from_millis(6_900));
                run.progress =
                    Progress::Decoding { first_token_at: at.before(Duration::from_secs(3)), tokens: 100, seen_at: at };
            });
            let mut view = View::new(&pool, vec![PodState { in_flight: 12, ..PodState::default() }]);
            view.tell_runs(vec![tight]);
            let mut rng = fastrand::Rng::with_seed(1);
            let mut round = Round::new(at, &mut rng, &mut latency_models);
            !policy.decide(&mut view, &[&hopeless], &mut round).is_empty()
        })
    };
    assert_eq!([waited_s(1), waited_s(2)], [Some(10), Some(10)]);
}

/// Pods that are slow for a while, as they warm up: 25 ms for a token where 20 are asked for.
#[test]
fn what_needs_luck_even_on_an_idle_pod_is_not_held_for_one() {
    let pool = pool(&[("d", 1, Some(profile()))]);
    let tight = Slo { e2e_per_output_token: Some(Duration::from_millis(20)), ..Slo::default() };
    let asking = |objective: Slo| {
        let arrival = Arrival { slo: Some(objective), ..request(1, 100, 100, START, &pool).arrival };
        assess(arrival, &pool)
    };
    let busy: Vec<Run> = runs(10, 4_000)
        .into_iter()
        .map(|run| Run { slo: tight, placed_at: START, progress: Progress::Prefilling, ..run })
        .collect();
    assert_eq!(placed(&pool, vec![busy], &[&asking(tight)], START), [(1, 0)]);
}

fn occupancy(on: &[Run]) -> Occupancy {
    Occupancy::reckon(on, 0, &MODEL, START)
}

fn outlook(on: &[Run]) -> PodOutlook {
    PodOutlook::new(occupancy(on), (MODEL, ComputedShares::ALL), 0.1, Spread { slower: 0.1, faster: 0.1 })
}

fn effect(on: &[Run], request: &Request) -> Effect {
    let outlook = outlook(on);
    outlook.effect(&outlook.newcomer(request, &request.prospects[0], CachedPrompt::default(), START).unwrap())
}

/// Requests of which some only began and some are far behind.
fn differing_runs(count: usize, seed: u64) -> Vec<Run> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut runs = runs(count, 500);
    for run in &mut runs {
        run.lengths =
            Some(OutputLengths::new(Rc::new(LengthDistribution::memoryless(rng.u32(10..400))), rng.u32(50..2_000)));
        run.arrived_at = START.before(Duration::from_millis(rng.u64(0..9_000)));
        run.placed_at = run.arrived_at;
        let ttft = rng.bool().then(|| Duration::from_millis(rng.u64(100..3_000)));
        run.slo = Slo { ttft, ..run.slo };
        run.progress = match rng.bool() {
            true => Progress::Prefilling,
            false => Progress::Decoding { first_token_at: run.placed_at, tokens: rng.u32(1..200), seen_at: START },
        };
    }
    runs
}

proptest! {
    #[test]
    fn what_is_lost_is_the_sum_over_all_that_run_where_they_are_few(
        count in 0_usize..=16, seed: u64, prompt in 1_u32..6_000, output in 1_u32..800,
    ) {
        let pool = pool(&[("d", 1, Some(profile()))]);
        let request = request(1, prompt, output, START, &pool);
        let on = differing_runs(count, seed);
        let outlook = outlook(&on);
        let newcomer = outlook.newcomer(&request, &request.prospects[0], CachedPrompt::default(), START).unwrap();
        let kept = |pace: &Pace| -> f64 { occupancy(&on).streams.iter().map(|stream| stream.keeps(pace)).sum() };
        let lost = kept(&outlook.pace(0.0, 0.0, 0.0)) - kept(&newcomer.pace);
        prop_assert!((outlook.effect(&newcomer).loss - lost).abs() < 1e-9, "{lost}");
    }

    #[test]
    fn more_on_a_pod_never_makes_a_newcomer_more_likely_to_keep_its_objective(
        count in 0_usize..40, more in 1_usize..10, prompt in 1_u32..4_000, context in 1_u32..2_000, output in 1_u32..800,
    ) {
        let pool = pool(&[("d", 1, Some(profile()))]);
        let newcomer = request(1, prompt, output, START, &pool);
        let (few, many) = (effect(&runs(count, context), &newcomer), effect(&runs(count + more, context), &newcomer));
        prop_assert!(many.keeps <= few.keeps + 1e-9, "{few:?} {many:?}");
    }

    #[test]
    fn a_gain_is_at_most_one_and_a_loss_at_most_that_of_those_that_run(
        count in 0_usize..40, prompt in 1_u32..4_000, context in 1_u32..2_000, output in 1_u32..800,
    ) {
        let pool = pool(&[("d", 1, Some(profile()))]);
        let newcomer = request(1, prompt, output, START, &pool);
        let effect = effect(&runs(count, context), &newcomer);
        prop_assert!((0.0..=1.0).contains(&effect.keeps) && effect.gain() <= 1.0);
        prop_assert!((-1e-9..=count as f64 + 1e-9).contains(&effect.loss));
    }
}
