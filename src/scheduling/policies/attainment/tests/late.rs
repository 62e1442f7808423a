use super::super::late::{Budget, Lateness};
use super::super::outlook::Effect;
use crate::scheduling::request::RequestId;
use crate::scheduling::time::Instant;

const LATENESS: Lateness = Lateness { cost_per_s: 0.1, budget: 0.03 };

fn effect(keeps: f64, loss: f64, lateness_s: f64) -> Effect {
    Effect { keeps, weight: 1.0, loss, cost: 0.0, lateness_s }
}

#[test]
fn what_is_still_in_time_has_nothing_to_gain_from_lateness() {
    assert_eq!(LATENESS.worth(&effect(0.2, 0.0, 0.0), 30.0), 0.0);
}

#[test]
fn each_second_makes_a_late_request_more_urgent() {
    let worth = |seconds| LATENESS.worth(&effect(0.0, 0.0, seconds), seconds);
    let expected = [(1.0, 0.2), (5.0, 0.6), (9.0, 1.0), (100.0, 10.1)];
    for (seconds, worth_then) in expected {
        assert!((worth(seconds) - worth_then).abs() < 1e-12, "{seconds} s: {}", worth(seconds));
    }
}

#[test]
fn a_request_that_takes_long_is_no_later_than_it_has_waited() {
    assert!((LATENESS.worth(&effect(0.0, 0.0, 40.0), 1.0) - 0.2).abs() < 1e-12);
}

#[test]
fn where_a_newcomer_would_be_served_well_a_late_request_costs_nothing() {
    assert_eq!(Budget::price(&effect(0.0, 0.04, 5.0), 1.0, true), 0.0);
    assert_eq!(Budget::price(&effect(0.0, 0.04, 5.0), 1.0, false), 0.3);
    assert_eq!(Budget::price(&effect(0.0, 0.8, 5.0), 1.0, false), 0.8);
}

#[test]
fn room_is_worth_no_more_than_a_newcomer_could_make_of_it() {
    assert_eq!(Budget::price(&effect(0.0, 0.04, 5.0), 0.5, false), 0.15);
    assert_eq!(Budget::price(&effect(0.0, 0.8, 5.0), 0.5, false), 0.8);
}

/// Decides on a request and places it.
fn place(budget: &mut Budget, effect: &Effect, price: f64) {
    budget.decided(RequestId(1), effect, price);
    budget.placed(RequestId(1));
}

#[test]
fn late_requests_take_at_most_the_budgets_share_of_what_is_kept() {
    let mut budget = Budget::new(LATENESS);
    let (late, kept) = (effect(0.0, 0.6, 5.0), effect(1.0, 0.0, 0.0));
    let mut spent = 0.0;
    for _ in 0..1_000 {
        place(&mut budget, &kept, 0.0);
        let price = Budget::price(&late, 1.0, false);
        while budget.affords(price) {
            place(&mut budget, &late, price);
            spent += price;
        }
    }
    assert!((28.0..=30.001).contains(&spent), "{spent} of 1,000 kept");
}

/// Another worker takes the room first, time and again.
#[test]
fn a_decision_that_comes_to_nothing_saves_nothing() {
    let mut budget = Budget::new(LATENESS);
    let kept = effect(1.0, 0.0, 0.0);
    for moment in 1..100 {
        budget.begin(Instant::from_micros(moment));
        // Decided again at one moment, it counts once.
        (0..16).for_each(|_| budget.decided(RequestId(1), &kept, 0.0));
        assert!(!budget.affords(0.06), "at {moment}");
    }
    budget.placed(RequestId(1));
    assert!(budget.affords(0.03) && !budget.affords(0.06));
}

#[test]
fn what_one_moment_decides_to_spend_is_not_spent_twice() {
    let mut budget = Budget::new(LATENESS);
    (0..100).for_each(|_| place(&mut budget, &effect(1.0, 0.0, 0.0), 0.0));
    let late = effect(0.0, 2.0, 5.0);
    budget.begin(Instant::from_micros(1));
    budget.decided(RequestId(2), &late, 2.0);
    assert!(!budget.affords(2.0));
    budget.begin(Instant::from_micros(2));
    assert!(budget.affords(2.0), "it was not placed");
}

#[test]
fn calm_hours_do_not_save_up_for_a_spree() {
    let mut budget = Budget::new(LATENESS);
    (0..1_000_000).for_each(|_| place(&mut budget, &effect(1.0, 0.0, 0.0), 0.0));
    assert!(budget.affords(10.0) && !budget.affords(10.5));
}
