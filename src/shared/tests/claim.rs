use std::time::Duration;

use crate::scheduling::pool::Pool;
use crate::scheduling::queue::Urgency;
use crate::scheduling::request::Request;
use crate::scheduling::testing::{START, arrival, assess, load, pool, profile, urgent};
use crate::scheduling::time::Instant;
use crate::scheduling::view::{Health, PodState, View};
use crate::shared::claim::Claim;

/// Half a pod of the fast deployment, where it takes a second, or a whole one of the slow, where it
/// takes four.
fn two_speeds() -> Pool {
    pool(&[("fast", 2, Some(profile(&[(0.5, 1.0)], 5.0))), ("slow", 1, Some(profile(&[(1.0, 4.0)], 5.0)))])
}

fn claim(request: &Request, now: Instant) -> Claim {
    let urgency = Urgency { late: false, latest_start: request.latest_start, arrival: request.arrival.at };
    Claim::of(request, urgency, now)
}

fn filled(pool: &Pool, shares: [f64; 3]) -> View<'_> {
    View::new(pool, shares.map(|share| PodState { load: load(share), ..PodState::default() }).to_vec())
}

#[test]
fn it_fits_the_emptiest_pod_with_room() {
    let pool = two_speeds();
    let claim = claim(&assess(arrival(1, 0, START), &pool), START);
    assert_eq!(claim.fits(&filled(&pool, [0.5, 0.3, 0.4])), Some((1, load(0.5))));
    assert_eq!(claim.fits(&filled(&pool, [0.6, 0.6, 0.0])), Some((2, load(1.0))));
    assert_eq!(claim.fits(&filled(&pool, [0.6, 0.6, 0.1])), None);
}

#[test]
fn it_names_no_deployment_on_which_it_would_be_late() {
    let pool = two_speeds();
    let request = assess(arrival(1, 0, START), &pool);
    let two_seconds_later = START.after(Duration::from_secs(2));
    assert_eq!(claim(&request, START).loads.len(), 2);
    assert_eq!(claim(&request, two_seconds_later).fits(&filled(&pool, [0.6, 0.6, 0.0])), None);
}

#[test]
fn a_late_one_names_the_deployment_where_it_comes_nearest() {
    let pool = two_speeds();
    let late = assess(urgent(1, 0, START, Duration::from_millis(500)), &pool);
    let claim = claim(&late, START);
    assert_eq!(claim.loads, [(pool.deployments()[0].id, load(0.5))]);
}

#[test]
fn a_late_one_fits_only_where_room_is_left_for_those_in_time() {
    let pool = two_speeds();
    let mut claim = claim(&assess(arrival(1, 0, START), &pool), START);
    let view = filled(&pool, [0.4, 0.4, 1.0]);
    assert_eq!(claim.fits(&view), Some((0, load(0.5))));
    claim.urgency.late = true;
    assert_eq!(claim.fits(&view), None);
    assert_eq!(claim.fits(&filled(&pool, [0.4, 0.3, 1.0])), Some((1, load(0.5))));
}

#[test]
fn what_needs_no_room_claims_none() {
    let pool = pool(&[("d", 1, None)]);
    assert_eq!(claim(&assess(arrival(1, 0, START), &pool), START).loads, []);
}

#[test]
fn it_fits_no_pod_that_is_out_or_drains_for_another() {
    let pool = two_speeds();
    let mut claim = claim(&assess(arrival(1, 0, START), &pool), START);
    let out = PodState { health: Health::Out, ..PodState::default() };
    let drains = PodState { reserved: true, ..PodState::default() };
    let view = View::new(&pool, vec![out, drains, out]);
    assert_eq!(claim.fits(&view), None);
    claim.reserved = Some(pool.pods()[1].id);
    assert_eq!(claim.fits(&view), Some((1, load(0.5))));
}

#[test]
fn it_does_not_fit_the_pod_that_drains_here() {
    let pool = two_speeds();
    let request = assess(arrival(1, 0, START), &pool);
    let aged = assess(arrival(2, 0, START), &pool);
    let mut view = filled(&pool, [0.1, 0.6, 0.6]);
    assert_eq!(view.reserve_for(&aged, START), Some(0));
    assert_eq!(claim(&request, START).fits(&view), None);
}
