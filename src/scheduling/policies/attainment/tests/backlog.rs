use std::time::Duration;

use super::super::backlog::{Backlog, is_lost};
use super::super::{Attainment, Policy};
use super::placing::{profile, request, speeds};
use crate::scheduling::policies::{Pass, PolicyName};
use crate::scheduling::request::{Arrival, Request};
use crate::scheduling::slo::Slo;
use crate::scheduling::speeds::Speeds;
use crate::scheduling::testing::{START, arrival, assess, pool};
use crate::scheduling::view::{PodState, View};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn what_is_lost_goes_where_others_ended_and_a_little_more_as_time_goes_by() {
    let mut backlog = Backlog::default();
    backlog.rely(10, START);
    assert_eq!([12, 10, 7].map(|in_flight| backlog.room(in_flight, START)), [0, 0, 3]);
    assert_eq!(backlog.room(10, START.after(seconds(2))), 4);
}

#[test]
fn before_anything_was_relied_on_nothing_is_held_for_it() {
    assert_eq!(Backlog::default().room(1_000, START), usize::MAX);
}

#[test]
fn a_request_is_lost_once_its_first_token_is_too_late_or_its_end() {
    let pool = pool(&[("d", 1, None)]);
    let asks = |slo| {
        let arrival = Arrival { policy: PolicyName::SloAttainment, slo, ..arrival(1, 0, START) };
        assess(arrival, &pool)
    };
    let first = asks(Some(Slo { ttft: Some(seconds(1)), tpot: Some(seconds(1)), ..Slo::default() }));
    let end = asks(Some(Slo { e2e: Some(seconds(5)), ..Slo::default() }));
    let lost = |request, after| is_lost(request, START.after(seconds(after)));
    assert_eq!([lost(&first, 1), lost(&first, 2)], [false, true]);
    assert_eq!([lost(&end, 5), lost(&end, 6)], [false, true]);
    assert!(!lost(&asks(None), 1_000));
}

#[test]
fn once_no_model_is_relied_on_the_lost_wait_for_others_to_end_and_those_in_time_do_not() {
    let pool = pool(&[("d", 1, Some(profile()))]);
    let lost = request(1, 100, 20, START.before(seconds(10)), &pool);
    let in_time = request(2, 100, 20, START, &pool);
    let mut policy = Attainment::default();
    let mut placed = |waiting: &[&Request], in_flight, speeds: &mut Speeds| {
        let mut view = View::new(&pool, vec![PodState { in_flight, ..PodState::default() }]);
        let mut pass = Pass { now: START, rng: &mut fastrand::Rng::with_seed(1), speeds };
        let decisions = policy.pass(&mut view, waiting, &mut pass);
        decisions.iter().map(|decision| decision.request.0).collect::<Vec<_>>()
    };
    placed(&[&in_time], 8, &mut speeds(&pool));
    let mut unknown = Speeds::new(true);
    assert_eq!(placed(&[&lost, &in_time], 8, &mut unknown), [2]);
    assert_eq!(placed(&[&lost], 7, &mut unknown), [1]);
}
