use std::time::Duration;

use super::super::backlog::Backlog;
use super::super::{Attainment, Policy};
use super::placing::{latency_models, placed, profile, request, runs};
use crate::scheduling::latency_model::LatencyModels;
use crate::scheduling::policies::{Lateness, Round, attainment};
use crate::scheduling::request::{Arrival, Request};
use crate::scheduling::slo::Slo;
use crate::scheduling::testing::{START, arrival, assess, pool};
use crate::scheduling::view::{PodState, View};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Counts how many of ten requests with this objective may go after so many seconds, while so many
/// run.
fn admitted(backlog: &mut Backlog, slo: Option<Slo>, in_flight: u32, after: u64) -> usize {
    let pool = pool(&[("d", 1, None)]);
    let arrival = Arrival { policy: attainment::SLO_ATTAINMENT, slo, ..arrival(1, 0, START) };
    let request = assess(arrival, &pool);
    backlog.admit(vec![&request; 10], in_flight, START.after(seconds(after))).len()
}

fn ends_within(count: u64) -> Option<Slo> {
    Some(Slo { e2e: Some(seconds(count)), ..Slo::default() })
}

/// All is relied on after ten seconds, when ten requests run.
fn relied() -> Backlog {
    let mut backlog = Backlog::default();
    backlog.admit(Vec::new(), 10, START.after(seconds(10)));
    backlog
}

#[test]
fn what_is_lost_goes_where_others_ended_and_a_little_more_as_time_goes_by() {
    let going = |in_flight, after| admitted(&mut relied(), ends_within(1), in_flight, after);
    assert_eq!([going(12, 10), going(10, 10), going(7, 10), going(10, 12)], [0, 0, 3, 4]);
}

#[test]
fn before_anything_was_relied_on_nothing_is_held_for_it() {
    assert_eq!(admitted(&mut Backlog::default(), ends_within(1), 1_000, 10), 10);
}

#[test]
fn a_request_is_lost_once_its_first_token_is_too_late_or_its_end() {
    let going = |slo, after| admitted(&mut relied(), slo, 1_000, after);
    let first = Some(Slo { ttft: Some(seconds(10)), tpot: Some(seconds(1)), ..Slo::default() });
    assert_eq!([going(first, 10), going(first, 11)], [10, 0]);
    assert_eq!([going(ends_within(11), 11), going(ends_within(11), 12)], [10, 0]);
    assert_eq!(going(None, 400), 10);
}

#[test]
fn once_no_model_is_relied_on_the_lost_wait_for_others_to_end_and_those_in_time_do_not() {
    let pool = pool(&[("d", 1, Some(profile()))]);
    let lost = request(1, 100, 20, START.before(seconds(10)), &pool);
    let in_time = request(2, 100, 20, START, &pool);
    let mut policy = Attainment::new(Lateness::default());
    let mut placed = |waiting: &[&Request], in_flight, latency_models: &mut LatencyModels| {
        let mut view = View::new(&pool, vec![PodState { in_flight, ..PodState::default() }]);
        let mut rng = fastrand::Rng::with_seed(1);
        let mut round = Round::new(START, &mut rng, latency_models);
        let decisions = policy.decide(&mut view, waiting, &mut round);
        decisions.iter().map(|decision| decision.request.0).collect::<Vec<_>>()
    };
    placed(&[&in_time], 8, &mut latency_models(&pool));
    let mut unknown = LatencyModels::new(true);
    assert_eq!(placed(&[&lost, &in_time], 8, &mut unknown), [2]);
    assert_eq!(placed(&[&lost], 7, &mut unknown), [1]);
}

#[test]
fn while_no_model_is_relied_on_no_pod_is_given_more_requests_than_it_sustains() {
    let pool = pool(&[("d", 1, Some(profile()))]);
    let request = request(1, 100, 20, START, &pool);
    let placed = |in_flight, sustained| {
        let mut view = View::new(&pool, vec![PodState { in_flight, sustained, ..PodState::default() }]);
        let (mut rng, mut latency_models) = (fastrand::Rng::with_seed(1), LatencyModels::new(true));
        let mut round = Round::new(START, &mut rng, &mut latency_models);
        Attainment::new(Lateness::default()).decide(&mut view, &[&request], &mut round).len()
    };
    assert_eq!([placed(8, None), placed(8, Some(8)), placed(7, Some(8))], [1, 0, 1]);
}

#[test]
fn of_many_that_wait_for_many_busy_pods_some_are_placed() {
    let pool = pool(&[("d", 20, Some(profile()))]);
    for count in [8, 10, 14] {
        let on = vec![runs(count, 500); 20];
        let placed_of = |waiting: u32| {
            let waiting: Vec<Request> = (0..waiting).map(|id| request(id, 500, 200, START, &pool)).collect();
            placed(&pool, on.clone(), &waiting.iter().collect::<Vec<_>>(), START).len()
        };
        assert!(placed_of(1) == 1 && placed_of(128) >= 1, "{count} on each");
    }
}
