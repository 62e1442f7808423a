use std::time::Duration;

use super::*;
use crate::scheduling::testing::{START, arrival, assess, load, pool, profile, urgent};

/// Two fast pods (half of one, a second), one slow (all of it, four seconds).
fn two_speeds() -> Pool {
    pool(&[("fast", 2, Some(profile(&[(0.5, 1.0)], 5.0))), ("slow", 1, Some(profile(&[(1.0, 4.0)], 5.0)))])
}

fn filled(pool: &Pool, shares: [f64; 3]) -> View<'_> {
    View::new(pool, shares.map(|share| PodState { load: load(share), ..PodState::default() }).to_vec())
}

fn positions<'v>(candidates: impl Iterator<Item = Candidate<'v>>) -> Vec<usize> {
    candidates.map(|candidate| candidate.position).collect()
}

#[test]
fn pods_with_room_stay_within_capacity_with_the_request() {
    let pool = two_speeds();
    let request = assess(arrival(1, 0, START), &pool);
    assert_eq!(positions(filled(&pool, [0.5, 0.500_001, 0.0]).with_room(&request)), [0, 2]);
    assert_eq!(positions(filled(&pool, [0.5, 0.500_001, 0.0]).serving(&request)), [0, 1, 2]);
}

#[test]
fn a_placement_takes_room() {
    let pool = two_speeds();
    let request = assess(arrival(1, 0, START), &pool);
    let mut view = filled(&pool, [0.0, 1.0, 1.0]);
    view.place(0, load(0.5));
    assert_eq!((view.state(0).load, view.state(0).in_flight), (load(0.5), 1));
    assert_eq!(positions(view.with_room(&request)), [0]);
    view.place(0, load(0.5));
    assert_eq!(positions(view.with_room(&request)), [0; 0]);
}

#[test]
fn a_pod_that_is_out_serves_none_and_one_that_is_probed_serves_one() {
    let pool = two_speeds();
    let request = assess(arrival(1, 0, START), &pool);
    let states = [Health::Up, Health::Probe, Health::Out].map(|health| PodState { health, ..PodState::default() });
    let mut view = View::new(&pool, states.to_vec());
    assert_eq!(positions(view.serving(&request)), [0, 1]);
    view.place(0, load(0.1));
    view.place(1, load(0.1));
    assert_eq!(positions(view.serving(&request)), [0]);
}

#[test]
fn a_reserved_pod_has_room_only_for_whom_it_drains() {
    let pool = two_speeds();
    let [holder, other] = [1, 2].map(|id| assess(arrival(id, 0, START), &pool));
    let mut view = filled(&pool, [0.4, 0.3, 1.0]);
    assert_eq!(view.reserve_for(&holder, START), Some(1));
    assert_eq!(positions(view.with_room(&other)), [0]);
    assert_eq!(positions(view.with_room(&holder)), [0, 1]);
    assert!(view.is_reserved(1) && !view.is_reserved(0));
}

#[test]
fn a_pod_that_drains_for_another_vm_is_neither_used_nor_reserved() {
    let pool = two_speeds();
    let request = assess(arrival(1, 0, START), &pool);
    let drains = PodState { reserved: true, ..PodState::default() };
    let full = PodState { load: Load::CAPACITY, ..PodState::default() };
    let mut view = View::new(&pool, vec![drains, full, drains]);
    assert_eq!(positions(view.with_room(&request)), [0; 0]);
    assert_eq!(view.reserve_for(&request, START), Some(1));
    assert!(view.is_reserved(0));
}

#[test]
fn the_pod_reserved_is_the_one_with_room_soonest() {
    let pool = two_speeds();
    let request = assess(arrival(1, 0, START), &pool);
    assert_eq!(filled(&pool, [0.9, 0.8, 0.2]).reserve_for(&request, START), Some(2), "1.2 rather than 1.3 pods");
    assert_eq!(filled(&pool, [0.9, 0.8, 0.4]).reserve_for(&request, START), Some(1));
}

#[test]
fn no_pod_is_reserved_that_would_make_a_request_late() {
    let pool = two_speeds();
    let request = assess(arrival(1, 0, START), &pool);
    let mut view = filled(&pool, [0.9, 0.9, 0.0]);
    assert_eq!(view.reserve_for(&request, START.after(Duration::from_secs(2))), Some(0));
}

#[test]
fn what_is_not_bounded_has_room_anywhere_and_reserves_nothing() {
    let pool = pool(&[("d", 1, None)]);
    let request = assess(urgent(1, 0, START, Duration::from_secs(1)), &pool);
    let mut view = View::new(&pool, vec![PodState { load: Load::CAPACITY, reserved: true, ..PodState::default() }]);
    assert_eq!(positions(view.with_room(&request)), [0]);
    assert_eq!(view.reserve_for(&request, START), None);
}

#[test]
fn a_pod_with_as_many_requests_as_its_deployment_may_have_takes_no_more() {
    let pool = two_speeds().bounded(|_| Some(2));
    let request = assess(arrival(1, 0, START), &pool);
    let state = |in_flight| PodState { in_flight, ..PodState::default() };
    let mut view = View::new(&pool, vec![state(1), state(2), state(0)]);
    assert_eq!(positions(view.serving(&request)), [0, 2]);
    view.place(0, Load::ZERO);
    assert_eq!(positions(view.serving(&request)), [2]);
    assert_eq!(positions(view.unbounded().serving(&request)), [0, 1, 2]);
}
