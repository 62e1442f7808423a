use super::*;
use crate::simulation::balance::Balance;
use crate::simulation::gauntlet::cells;

/// A run in which this share was kept, in each of two spans.
fn run(attainment: f64) -> OfRun {
    OfRun {
        requests: 1_000,
        attainment,
        spans: vec![Some(attainment); 2],
        refused: 0,
        ttft_p99_s: Some(1.0),
        late_s: Vec::new(),
        balance: None,
    }
}

fn runs(attainments: [f64; 3]) -> Vec<OfRun> {
    attainments.map(run).to_vec()
}

fn cell(load: f64) -> Cell {
    let of_load = |cell: &Cell| cell.load == load && cell.scenario.name == "seed-a";
    cells::all().unwrap().into_iter().find(of_load).unwrap()
}

/// Returns the outcome of each law that applies, in a cell where all others but ours keep
/// everything, except as given.
fn outcomes(load: f64, own: Vec<OfRun>, others: &[(Contender, Vec<OfRun>)]) -> Vec<(Law, Outcome)> {
    let full = runs([1.0; 3]);
    let all = [REFERENCE, CLAIRVOYANT, PULL_REFERENCE].into_iter().chain(PULL);
    let mut by_name: Runs = all.map(|contender| (contender.to_string(), full.clone())).collect();
    by_name.insert(OWN.to_string(), own);
    by_name.extend(others.iter().map(|(contender, runs)| (contender.to_string(), runs.clone())));
    judge(&cell(load), &by_name).into_iter().map(|judgement| (judgement.law, judgement.outcome)).collect()
}

fn outcome(law: Law, outcomes: &[(Law, Outcome)]) -> Outcome {
    outcomes.iter().find(|(found, _)| *found == law).unwrap_or_else(|| panic!("{law:?} does not apply")).1
}

#[test]
fn one_that_keeps_all_breaks_no_law() {
    let all = outcomes(0.86, runs([1.0; 3]), &[]);
    assert!(all.iter().all(|(_, outcome)| *outcome == Outcome::Holds), "{all:?}");
    assert!(all.iter().any(|(law, _)| *law == Law::Pull) && all.iter().any(|(law, _)| *law == Law::Clairvoyant));
}

#[test]
fn half_a_point_may_be_lost_in_the_mean_and_more_is_in_doubt_until_the_interval_says_so() {
    let mean = |attainments| outcome(Law::Mean, &outcomes(1.3, runs(attainments), &[]));
    assert_eq!(mean([0.996, 0.996, 0.996]), Outcome::Holds);
    assert_eq!(mean([0.99, 0.99, 0.99]), Outcome::Broken);
    // Two points below in the mean, give or take five.
    assert_eq!(mean([1.0, 0.98, 0.96]), Outcome::InDoubt);
}

#[test]
fn a_span_that_is_lost_in_all_runs_breaks_the_law_although_the_mean_holds() {
    let dip = |spans: [f64; 2]| OfRun { spans: spans.map(Some).to_vec(), ..run(1.0) };
    let span = |runs: Vec<OfRun>| outcome(Law::Span, &outcomes(1.3, runs, &[]));
    assert_eq!(span(vec![dip([0.9, 1.0]), dip([0.91, 1.0]), dip([0.9, 1.0])]), Outcome::Broken);
    assert_eq!(span(vec![dip([0.9, 1.0]), dip([1.0, 0.9]), dip([1.0, 1.0])]), Outcome::Holds);
    let empty = OfRun { spans: vec![None, Some(1.0)], ..run(1.0) };
    assert_eq!(span(vec![empty; 3]), Outcome::Holds);
}

#[test]
fn below_saturation_99_of_100_that_any_policy_keeps_are_to_be_kept() {
    let poor = [(REFERENCE, runs([0.5; 3]))];
    let found = |load, attainments| outcomes(load, runs(attainments), &poor);
    assert_eq!(outcome(Law::Clairvoyant, &found(0.6, [0.97; 3])), Outcome::Broken);
    assert_eq!(outcome(Law::Clairvoyant, &found(0.6, [0.991; 3])), Outcome::Holds);
    assert!(found(1.0, [0.97; 3]).iter().all(|(law, _)| *law != Law::Clairvoyant));
}

#[test]
fn nothing_is_refused_and_nobody_is_much_later_where_the_load_is_carried() {
    let refusing = vec![OfRun { refused: 1, late_s: vec![0.1, 2.0], ..run(1.0) }; 3];
    let late = |late_s: f64, ttft_s: f64| {
        (REFERENCE, vec![OfRun { late_s: vec![late_s], ttft_p99_s: Some(ttft_s), ..run(1.0) }; 3])
    };
    let carried = outcomes(1.3, refusing.clone(), &[late(0.5, 1.9)]);
    assert_eq!(outcome(Law::Refusal, &carried), Outcome::Broken);
    assert_eq!(outcome(Law::Lateness, &carried), Outcome::Broken);
    let as_late = outcomes(1.3, refusing.clone(), &[late(1.1, 1.9)]);
    assert_eq!(outcome(Law::Lateness, &as_late), Outcome::Holds);
    let overloaded = outcomes(1.3, refusing, &[late(0.5, 2.1)]);
    assert!(overloaded.iter().all(|(law, _)| ![Law::Refusal, Law::Lateness].contains(law)), "{overloaded:?}");
}

#[test]
fn identical_pods_may_differ_by_three_requests_a_fifth_in_the_mean_and_what_the_reference_leaves() {
    let uneven = |difference: f64, skew: f64, in_flight: f64| {
        let balance = Some(Balance { in_flight, difference, skew });
        vec![OfRun { balance, ..run(1.0) }; 3]
    };
    let balance = |own, reference| outcome(Law::Balance, &outcomes(1.3, own, &[(REFERENCE, reference)]));
    let even = || uneven(0.5, 0.0, 40.0);
    assert_eq!(balance(uneven(2.9, 0.0, 40.0), even()), Outcome::Holds);
    assert_eq!(balance(uneven(3.1, 0.0, 40.0), even()), Outcome::Broken);
    assert_eq!(balance(uneven(3.1, 0.0, 40.0), uneven(3.2, 0.0, 40.0)), Outcome::Holds);
    assert_eq!(balance(uneven(1.0, 7.9, 40.0), even()), Outcome::Holds);
    assert_eq!(balance(uneven(1.0, 8.1, 40.0), even()), Outcome::Broken);
    assert_eq!(balance(uneven(0.9, 0.9, 1.0), even()), Outcome::Holds);
}

#[test]
fn a_pull_policy_may_lose_two_points_to_least_request_from_half_load_on() {
    let slow = |attainment| [(PULL[1], runs([attainment; 3]))];
    let outcome_of_worst = |load, attainment| {
        let all = outcomes(load, runs([1.0; 3]), &slow(attainment));
        all.into_iter().filter(|(law, _)| *law == Law::Pull).map(|(_, outcome)| outcome).max()
    };
    assert_eq!(outcome_of_worst(0.6, 0.985), Some(Outcome::Holds));
    assert_eq!(outcome_of_worst(0.6, 0.97), Some(Outcome::Broken));
    assert_eq!(outcome_of_worst(0.3, 0.97), None);
}
