use super::*;
use crate::scheduling::policies::{least_request, pull, random};
use crate::scheduling::pool::Pool;
use crate::scheduling::profile::Profile;
use crate::scheduling::testing::{START, arrival, assess, load, pool, profile, urgent};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Shape 0 runs on both, shape 1 only on the fast one, shape 2 on neither.
fn two_speeds() -> Pool {
    let fast = profile(&[(0.25, 1.0), (0.5, 2.0), (0.0, 6.0)], 5.0);
    let slow = profile(&[(0.5, 3.0), (0.0, 7.0), (0.0, 9.0)], 5.0);
    pool(&[("fast", 1, Some(fast)), ("slow", 1, Some(slow))])
}

fn loads(request: &Request) -> Vec<(usize, Load)> {
    request.prospects.iter().map(|prospect| (prospect.deployment, prospect.load)).collect()
}

#[test]
fn a_request_has_a_prospect_on_each_deployment_that_can_meet_its_objective() {
    let pool = two_speeds();
    assert_eq!(loads(&assess(arrival(1, 0, START), &pool)), [(0, load(0.25)), (1, load(0.5))]);
    assert_eq!(loads(&assess(arrival(1, 1, START), &pool)), [(0, load(0.5))]);
}

#[test]
fn what_no_deployment_can_serve_in_time_is_charged_as_the_nearest_that_one_can() {
    let request = assess(arrival(1, 2, START), &two_speeds());
    assert!(request.infeasible && request.is_late(START) && request.unjudged.is_none());
    assert_eq!(loads(&request), [(0, load(0.5)), (1, load(0.5))]);
    assert_eq!(request.original_slack(), Duration::ZERO);
}

#[test]
fn a_deployment_that_keeps_nothing_is_charged_as_a_whole_pod() {
    let request = assess(arrival(1, 0, START), &pool(&[("d", 1, Some(profile(&[(0.0, 1.0)], 5.0)))]));
    assert!(request.infeasible);
    assert_eq!(loads(&request), [(0, Load::CAPACITY)]);
}

#[test]
fn the_latest_start_is_that_of_the_deployment_with_most_slack() {
    let request = assess(arrival(1, 0, START), &two_speeds());
    assert_eq!(request.latest_start, START.after(secs(4)));
    assert_eq!(request.on(1).unwrap().latest_start, Some(START.after(secs(2))));
    assert_eq!(request.original_slack(), secs(4));
    assert!(!request.is_late(START.after(secs(4))));
    assert!(request.is_late(START.after(secs(4)).after(Duration::from_micros(1))));
}

#[test]
fn a_request_deserves_the_pods_where_it_is_in_time_and_once_late_those_where_it_comes_nearest() {
    let request = assess(arrival(1, 0, START), &two_speeds());
    let deployments = |seconds| -> Vec<usize> {
        request.worth_trying(START.after(secs(seconds))).map(|prospect| prospect.deployment).collect()
    };
    assert_eq!([2, 3, 9].map(deployments), [vec![0, 1], vec![0], vec![0]]);
}

#[test]
fn where_no_profile_tells_a_request_deserves_any_pod() {
    let request = assess(arrival(1, 0, START), &pool(&[("a", 1, None), ("b", 1, None)]));
    assert_eq!(request.worth_trying(START).count(), 2);
}

#[test]
fn the_request_s_objective_goes_before_the_profile_s_and_that_before_the_default() {
    let latest = |arrival: Arrival, profile: Profile, default_slo| {
        let how = Assessment { default_slo, ..Assessment::default() };
        let request = Request::assess(arrival, &pool(&[("d", 1, Some(profile))]), &how);
        (request.latest_start, request.foreign_slo)
    };
    let with_slo = || profile(&[(0.5, 1.0)], 5.0);
    let without = || profile(&[(0.5, 1.0)], 0.0);
    let default = Some(Slo { e2e: Some(secs(20)), ..Slo::default() });
    assert_eq!(latest(urgent(1, 0, START, secs(3)), with_slo(), default), (START.after(secs(2)), true));
    assert_eq!(latest(urgent(1, 0, START, secs(5)), with_slo(), default), (START.after(secs(4)), false));
    assert_eq!(latest(arrival(1, 0, START), with_slo(), default), (START.after(secs(4)), false));
    assert_eq!(latest(arrival(1, 0, START), without(), default), (START.after(secs(19)), false));
}

#[test]
fn without_an_objective_profiles_charge_but_do_not_judge() {
    let profile = profile(&[(0.25, 1.0)], 0.0);
    let request = assess(arrival(1, 0, START), &pool(&[("d", 1, Some(profile))]));
    assert_eq!(request.unjudged, Some(Unjudged::NoSlo));
    assert_eq!((loads(&request), request.prospects[0].bounded), (vec![(0, load(0.25))], false));
    assert_eq!(request.latest_start, Instant::FAR_FUTURE);
}

#[test]
fn without_a_profile_a_request_counts_as_one_of_the_default_concurrency() {
    let pool = pool(&[("d", 1, None)]);
    let how = Assessment { default_concurrency: Some(8.0), ..Assessment::default() };
    let [bounded, free] = [how, Assessment::default()]
        .map(|how| Request::assess(urgent(1, 0, START, secs(3)), &pool, &how))
        .map(|request| (request.unjudged, request.prospects[0].load, request.prospects[0].bounded));
    assert_eq!(bounded, (Some(Unjudged::NoProfile), load(0.125), true));
    assert_eq!(free, (Some(Unjudged::NoProfile), Load::ZERO, false));
}

#[test]
fn an_objective_without_a_profile_still_orders_the_queue() {
    let request = assess(urgent(1, 0, START, secs(3)), &pool(&[("d", 1, None)]));
    assert_eq!(request.latest_start, START.after(secs(3)));
}

#[test]
fn only_a_policy_that_needs_a_profile_gives_way_to_the_fallback() {
    let how = Assessment { fallback_policy: random::RANDOM, ..Assessment::default() };
    let policies = [pull::SLO_PACK_LOAD, least_request::LEAST_REQUEST].map(|policy| {
        let arrival = Arrival { policy, ..arrival(1, 0, START) };
        Request::assess(arrival, &pool(&[("d", 1, None)]), &how).policy
    });
    assert_eq!(policies, [random::RANDOM, least_request::LEAST_REQUEST]);
}

#[test]
fn work_is_the_time_of_a_whole_pod_of_the_fastest_deployment() {
    assert_eq!(assess(arrival(1, 0, START), &two_speeds()).work(), Duration::from_millis(250));
    assert_eq!(assess(arrival(1, 0, START), &pool(&[("d", 1, None)])).work(), Duration::ZERO);
}

#[test]
fn requests_share_a_footprint_where_they_need_the_same_room_for_the_same_time() {
    let pool = two_speeds();
    let of = |arrival: Arrival| assess(arrival, &pool).footprint();
    let first = of(arrival(1, 0, START));
    assert_eq!(of(arrival(2, 0, START.after(secs(1)))), first);
    assert_eq!(of(urgent(3, 0, START, secs(9))), first, "an objective moves all latest starts alike");
    let others = [
        arrival(4, 1, START),
        Arrival { policy: pull::SLO_PACK_LOAD, ..arrival(5, 0, START) },
        Arrival { class: 1, ..arrival(6, 0, START) },
        Arrival { subset: Some(Subset::of(["10.0.0.0"])), ..arrival(7, 0, START) },
    ];
    let renamed = Arrival { model: Model { name: "other".to_owned(), base: None }, ..arrival(8, 0, START) };
    assert_eq!(of(renamed), first, "all pods serve any model");
    assert!(others.into_iter().all(|other| of(other) != first));
}
