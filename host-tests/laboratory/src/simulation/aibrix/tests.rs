//! The port against what AIBrix's own tests and an independent computation say; flaws included.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use slo_router::dispatcher::RefusalReason;
use slo_router::scheduling::profile::Profile;
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::slo::{Outcome, Slo};
use slo_router::scheduling::time::Instant;

use super::judge::{Judge, Queued, Unservable};
use super::predictor::{Predictor, WINDOW};
use super::router::Aibrix;
use super::rules::{Overdue, Rules, Strategy};
use super::sub_router::{Failure, Load, choose};
use crate::simulation::gateway::{Gateway, Verdict};
use crate::simulation::record::START;
use crate::simulation::scenario::{Answering, Demand};
use crate::workload::{Arrival, Class};

fn data(file: &str, section: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/").to_owned() + file;
    let mut all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    all[section].take()
}

fn profile(name: &str) -> Profile {
    let path = format!("{}/../../tests/data/profiles/{name}.json", env!("CARGO_MANIFEST_DIR"));
    Profile::from_json(&std::fs::read(path).unwrap()).unwrap()
}

fn a100() -> Profile {
    profile("simulator-llama2-7b-a100")
}

fn a40() -> Profile {
    profile("derived-a40-p99-e2e5")
}

fn seconds(value: f64) -> Duration {
    Duration::from_secs_f64(value)
}

fn e2e(value_s: f64) -> Slo {
    Slo { e2e: Some(seconds(value_s)), ..Slo::default() }
}

fn queued(input_tokens: u32, slo: Slo, arrived_at: Instant) -> Queued {
    Queued { arrived_at, input_tokens, slo, lengths: Vec::new(), cancelled: false }
}

/// A request with this objective; so many tokens in, and out.
fn demand(input_tokens: u32, output_tokens: u32, slo: Slo) -> Demand {
    let class = Class::Chat;
    let arrival = Arrival { at: Duration::ZERO, class, prompt_tokens: input_tokens, content: None, output_tokens };
    Demand { arrival, slo, answering: Answering { streamed: true, tells_cached: true } }
}

/// Request with the prompt "message", to a model of which nothing is known yet.
fn message() -> Demand {
    demand(1, 1, e2e(5.0))
}

fn over(profiles: Vec<Profile>, pods: Vec<usize>, strategy: Strategy) -> Aibrix {
    let profiles = profiles.into_iter().map(Some).collect();
    Aibrix::over(profiles, pods, Rules::faithful(strategy), 1, START)
}

fn outcome(output_tokens: u32, input_tokens: u32) -> Outcome {
    let shape = Shape { output_tokens, input_tokens };
    Outcome { shape, cached_tokens: None, ttft: Duration::ZERO, e2e: Duration::ZERO }
}

/// Section 17.2.
#[test]
fn the_predictors_window_forgets_slot_by_slot() {
    #[derive(Deserialize)]
    struct Case {
        traces_at_s: Vec<u64>,
        completions: u32,
    }
    let cases: Vec<Case> = serde_json::from_value(data("predictor.json", "rotation")).unwrap();
    for Case { traces_at_s, completions } in cases {
        let mut predictor = Predictor::new(Duration::from_secs(30), START);
        for at_s in &traces_at_s {
            (0..5).for_each(|_| predictor.add(1, 1, START.after(Duration::from_secs(*at_s))));
        }
        assert_eq!(predictor.answers(1), completions, "{traces_at_s:?}");
    }
}

/// Section 17.2.
#[test]
fn a_length_is_a_power_of_two_drawn_in_proportion_and_one_before_any() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut predictor = Predictor::new(WINDOW, START);
    assert_eq!(predictor.draw(16, &mut rng), 1);
    predictor.add(2, 3, START);
    predictor.add(2, 4, START);
    assert_eq!(predictor.draw(2, &mut rng), 4);
    [1, 1, 2].into_iter().for_each(|output| predictor.add(1, output, START));
    let ones = (0..1_000).filter(|_| predictor.draw(1, &mut rng) == 1).count();
    assert!((600..733).contains(&ones), "{ones} of 1000");
}

/// Ranks of the golden file, and Q15 to Q17.
#[test]
fn ranks_are_elapsed_and_expected_minus_target() {
    let (predictor, profile) = (Predictor::new(WINDOW, START), a100());
    let mut rng = fastrand::Rng::with_seed(1);
    for case in data("golden.json", "rank").as_array().unwrap() {
        let of = |field: &str| case["slo"][field].as_f64().map(seconds);
        let slo =
            Slo { ttft: of("ttft"), tpot: of("tpot"), e2e: of("e2e"), e2e_per_token: of("tpat"), ..Slo::default() };
        let [Some(output), Some(input)] = [0, 1].map(|axis| case["features[out,in]"][axis].as_u64()) else { continue };
        let Some(expected_s) = case["rank"].as_f64() else { continue };
        // The true length stands in for a draw that would say the same.
        let rules = Rules { true_lengths: true, ..Rules::faithful(Strategy::Pull) };
        let mut judge = Judge { rules: &rules, predictor: &predictor, rng: &mut rng };
        let mut queued = queued(input as u32, slo, START);
        queued.lengths = judge.lengths(queued.input_tokens, output as u32);
        let now = START.after(seconds(case["elapsed"].as_f64().unwrap_or(0.0)));
        let rank_s = judge.rank_s(&queued, &profile, now).unwrap();
        assert!((rank_s - expected_s).abs() < 1e-5, "{case}: {rank_s}");
    }
}

#[test]
fn each_use_of_a_length_draws_anew() {
    let mut predictor = Predictor::new(WINDOW, START);
    predictor.add(512, 8, START);
    predictor.add(512, 64, START);
    let (rules, profile) = (Rules::faithful(Strategy::Pull), a100());
    let mut rng = fastrand::Rng::with_seed(1);
    let mut judge = Judge { rules: &rules, predictor: &predictor, rng: &mut rng };
    let loads: Vec<_> = (0..20).map(|_| judge.load(&queued(512, e2e(5.0), START), &profile).unwrap()).collect();
    assert!(loads.iter().any(|load| *load != loads[0]));
}

/// Section 17.3.
#[test]
fn push_takes_the_least_loaded_pod_and_the_last_of_equals() {
    let free = || panic!("push asks for no load");
    assert_eq!(choose(Strategy::Push, loads(&[0.3, 0.1, 0.5]), free), Ok(1));
    assert_eq!(choose(Strategy::Push, loads(&[0.5, 0.5]), free), Ok(1));
    assert_eq!(choose(Strategy::Push, loads(&[]), free), Err(Failure::NoPod));
    assert_eq!(choose(Strategy::Push, loads(&[1.7, 1.4]), free), Ok(1), "however full");
}

/// Section 17.4.
#[test]
fn pull_and_pack_stay_within_capacity() {
    let pick = |strategy, pods: &[(f64, f64)]| {
        let mut own = pods.iter().map(|(_, load)| Ok(*load));
        let used: Vec<_> = pods.iter().map(|(used, _)| *used).collect();
        choose(strategy, loads(&used), || own.next().unwrap())
    };
    let full = Err(Failure::CapacityReached);
    assert_eq!(pick(Strategy::Pull, &[(0.3, 0.2), (0.1, 0.1)]), Ok(1));
    assert_eq!(pick(Strategy::Pull, &[(0.8, 0.3), (0.9, 0.2)]), full);
    assert_eq!(pick(Strategy::Pull, &[(0.8, 0.3), (0.4, 0.1), (0.9, 0.2)]), Ok(1));
    assert_eq!(pick(Strategy::Pull, &[(0.3, 0.2), (0.3, 0.1)]), Ok(1));
    assert_eq!(pick(Strategy::Pull, &[(0.8, 0.2)]), Ok(0), "exactly full");
    assert_eq!(pick(Strategy::Pack, &[(0.3, 0.2), (0.4, 0.1)]), Ok(0), "the first of equals");
    assert_eq!(pick(Strategy::Pack, &[(0.8, 0.3), (0.4, 0.1)]), Ok(1));
    assert_eq!(pick(Strategy::Pack, &[(0.8, 0.3), (0.9, 0.2)]), full);
    let failing = choose(Strategy::Pull, loads(&[0.1]), || Err(Unservable::SloFailure));
    assert_eq!(failing, Err(Failure::Unservable(Unservable::SloFailure)));
}

/// Section 17.5, case 4: what the profile has no rate for is refused.
#[test]
fn a_cell_without_a_rate_refuses() {
    let mut gateway = over(vec![a100()], vec![0, 0], Strategy::Pull);
    gateway.arrive(0, &demand(2_048, 512, e2e(5.0)), START);
    gateway.finish(0, outcome(512, 2_048), START);
    let refused = gateway.arrive(1, &demand(2_049, 512, e2e(5.0)), START);
    assert_eq!(refused, [Verdict::Refuse(1, RefusalReason::Infeasible)]);
}

/// Section 17.5, case 7: six on each pod, the thirteenth waits for the first to end.
#[test]
fn pods_fill_one_after_the_other_and_the_next_waits() {
    let mut gateway = over(vec![a100()], vec![0, 0], Strategy::Pack);
    let pods: Vec<_> = (0..12)
        .map(|id| match gateway.arrive(id, &message(), START)[..] {
            [Verdict::Place(_, pod, _)] => pod,
            ref other => panic!("{other:?}"),
        })
        .collect();
    assert!(pods[..6].iter().all(|pod| *pod == pods[0]) && pods[6..].iter().all(|pod| *pod != pods[0]), "{pods:?}");
    assert!((gateway.utilisation(pods[0]) - 0.964_899_508).abs() < 1e-6);
    assert_eq!(gateway.arrive(12, &message(), START), []);
    gateway.finish(0, outcome(1, 1), START);
    assert!(matches!(gateway.advance(START)[..], [Verdict::Place(12, pod, _)] if pod == pods[0]));
}

/// Q8 and Q9: a slower deployment only while the objective can be met there. Q10: but then its refusal decides.
#[test]
fn the_last_deployment_that_was_tried_decides() {
    let beside_a_full_a100 = |output_tokens, input_tokens| {
        let mut gateway = over(vec![a100(), a40()], vec![0, 1], Strategy::Pull);
        gateway.arrive(0, &message(), START);
        gateway.finish(0, outcome(output_tokens, input_tokens), START);
        let placed: Vec<_> = (1..7).flat_map(|id| gateway.arrive(id, &message(), START)).collect();
        assert!(placed.iter().all(|verdict| matches!(verdict, Verdict::Place(_, 0, _))), "{placed:?}");
        gateway.arrive(7, &demand(input_tokens, output_tokens, e2e(5.0)), START)
    };
    assert!(matches!(beside_a_full_a100(16, 512)[..], [Verdict::Place(7, 1, _)]));
    assert_eq!(beside_a_full_a100(256, 512), []);
    assert_eq!(beside_a_full_a100(64, 2_048), [Verdict::Refuse(7, RefusalReason::Infeasible)]);
}

#[test]
fn a_request_that_gave_up_keeps_its_place_and_takes_nothing_when_its_turn_comes() {
    let mut gateway = over(vec![a100()], vec![0], Strategy::Pull);
    (0..6).for_each(|id| assert_eq!(gateway.arrive(id, &message(), START).len(), 1));
    assert_eq!(gateway.arrive(6, &message(), START), []);
    let later = START.after(Duration::from_secs(60));
    let mut verdicts = Vec::new();
    while gateway.next_event_at().is_some_and(|at| at <= later) {
        verdicts.extend(gateway.advance(later));
    }
    assert_eq!(verdicts, [Verdict::Refuse(6, RefusalReason::WaitedTooLong)]);
    gateway.finish(0, outcome(1, 1), later);
    assert_eq!(gateway.advance(later), [], "its place is free now, but nobody got it");
    assert!(gateway.utilisation(0) < 0.9);
}

#[test]
fn policies_and_what_is_mended_have_names() {
    for name in ["aibrix-slo", "aibrix-slo-pack-load+mean+p90", "aibrix-slo+cold+last", "aibrix-slo+repaired"] {
        assert_eq!(name.parse::<Rules>().unwrap().to_string(), name);
    }
    assert_eq!("aibrix-slo+repaired+last".parse::<Rules>().unwrap().overdue, Overdue::Last);
    assert!("aibrix-slo+better".parse::<Rules>().unwrap_err().contains("better"));
}

fn loads(used: &[f64]) -> Vec<Load> {
    let load = |(pod, used): (usize, &f64)| Load { pod, utilisation: *used, capacity: 1.0, open_when_idle: false };
    used.iter().enumerate().map(load).collect()
}
