//! Behaviour of one VM.

mod pods;

use std::time::Duration;

use super::world::{Fate, TICK, World, settings, well};
use crate::dispatcher::{Action, Dispatcher, End, MOST_ACTIONS, RefusalReason, Settings, Survey};
use crate::scheduling::policies::{PolicyName, attainment, least_request, pull, push, random};
use crate::scheduling::pool::{Model, PodSpec, Pool};
use crate::scheduling::profile::Profile;
use crate::scheduling::queue::LatePolicy;
use crate::scheduling::request::{Arrival, Assessment, RequestId};
use crate::scheduling::shape::Shape;
use crate::scheduling::slo::Slo;
use crate::scheduling::testing::{START, arrival, load, pod, pool, profile, urgent};
use crate::shared::health::Change;
use crate::shared::memory::Memory;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One pod of capacity two.
fn halves() -> Pool {
    pool(&[("a", 1, Some(profile(&[(0.5, 1.0), (0.0, 3.0)], 10.0)))])
}

fn world(settings: Settings) -> World {
    World::new(1, halves(), settings)
}

fn dispatcher(settings: Settings, pool: Pool) -> Dispatcher<Memory> {
    let mut dispatcher = Dispatcher::new(Memory::default(), settings, 1, START);
    dispatcher.set_pool(pool.into(), START);
    dispatcher
}

fn refusal(actions: &[Action]) -> (RefusalReason, Option<Duration>) {
    let [Action::Refuse(_, reason, retry_after)] = actions else { panic!("{actions:?}") };
    (*reason, *retry_after)
}

#[test]
fn without_pods_there_is_none_ready() {
    let mut dispatcher = dispatcher(settings(), Pool::default());
    assert_eq!(refusal(&dispatcher.submit(arrival(1, 0, START), START)), (RefusalReason::NoReadyPod, None));
}

#[test]
fn a_model_that_no_pod_serves_is_unknown() {
    let spec = PodSpec { models: vec!["served".to_owned()], ..pod(0, 0, "a") };
    let mut dispatcher = dispatcher(settings(), Pool::new([spec], &[]));
    let with_model = |id, name: &str, base: Option<&str>| Arrival {
        model: Model { name: name.to_owned(), base: base.map(str::to_owned) },
        ..arrival(id, 0, START)
    };
    assert_eq!(refusal(&dispatcher.submit(with_model(1, "other", None), START)), (RefusalReason::UnknownModel, None));
    for served in [with_model(2, "served", None), with_model(3, "adapter", Some("served"))] {
        let actions = dispatcher.submit(served, START);
        assert!(matches!(actions[..], [Action::Forward(..)]), "{actions:?}");
    }
}

#[test]
fn an_infeasible_request_is_served_last_or_refused() {
    let mut serving = dispatcher(settings(), halves());
    let actions = serving.submit(arrival(1, 1, START), START);
    let [Action::Forward(_, placement)] = &actions[..] else { panic!("{actions:?}") };
    assert!(placement.infeasible && placement.late);
    assert_eq!(placement.load, load(0.5), "as the nearest cell that is feasible");
    let mut rejecting = dispatcher(Settings { reject_infeasible: true, ..settings() }, halves());
    assert_eq!(refusal(&rejecting.submit(arrival(1, 1, START), START)), (RefusalReason::Infeasible, None));
}

#[test]
fn a_full_queue_refuses_and_says_when_to_come_again() {
    let slow = pool(&[("a", 1, Some(profile(&[(1.0, 3.0)], 100.0)))]);
    let mut dispatcher = dispatcher(Settings { max_waiting: 2, ..settings() }, slow);
    for id in 0..3 {
        dispatcher.submit(arrival(id, 0, START), START);
    }
    let actions = dispatcher.submit(arrival(3, 0, START), START);
    assert_eq!(refusal(&actions), (RefusalReason::QueueFull, Some(secs(9))), "three wait, of 3 s each");
    assert_eq!(dispatcher.waiting(), 2);
}

#[test]
fn a_request_that_waited_longest_is_refused() {
    let mut world = world(settings());
    (1..4).for_each(|id| world.arrive(0, arrival(id, 0, START)));
    world.wait(settings().max_wait);
    assert_eq!(world.waiting(), [3]);
    world.wait(TICK);
    assert!(matches!(world.requests[&3], Fate::Refused(RefusalReason::WaitedTooLong)));
}

#[test]
fn a_request_that_became_late_is_refused_where_configured() {
    let mut world = world(Settings { late: LatePolicy::Reject, ..settings() });
    (1..4).for_each(|id| world.arrive(0, urgent(id, 0, START, secs(2))));
    world.wait(secs(1));
    assert_eq!(world.waiting(), [3]);
    world.wait(TICK);
    assert!(matches!(world.requests[&3], Fate::Refused(RefusalReason::Late)));
}

/// Envoy holds a stream whose callback answered another.
#[test]
fn whoever_comes_when_another_is_overdue_leaves_its_refusal_to_the_next_look() {
    let late = Settings { late: LatePolicy::Reject, ..settings() };
    for (settings, overdue, reason) in
        [(settings(), settings().max_wait, RefusalReason::WaitedTooLong), (late, secs(2), RefusalReason::Late)]
    {
        let mut dispatcher = dispatcher(settings, halves());
        (1..4).for_each(|id| drop(dispatcher.submit(urgent(id, 0, START, secs(2)), START)));
        let now = START.after(overdue + TICK);
        assert_eq!(dispatcher.submit(arrival(4, 0, now), now), []);
        assert_eq!(refusal(&dispatcher.look_again(now)).0, reason);
        assert_eq!(dispatcher.waiting(), 1);
    }
}

#[test]
fn whoever_comes_too_late_is_refused_at_once_where_configured() {
    let mut dispatcher = dispatcher(Settings { late: LatePolicy::Reject, ..settings() }, halves());
    let actions = dispatcher.submit(urgent(1, 0, START, Duration::from_millis(1)), START);
    assert_eq!(refusal(&actions).0, RefusalReason::Late);
}

#[test]
fn one_call_refuses_only_so_many_and_asks_for_another() {
    let mut world = World::new(1, halves(), Settings { max_waiting: 1000, ..settings() });
    (0..202).for_each(|id| world.arrive(0, arrival(id, 0, START)));
    world.now = START.after(settings().max_wait + TICK);
    world.tick(0);
    assert_eq!(world.waiting().len(), 200 - MOST_ACTIONS);
    world.deliver_all();
    assert_eq!(world.waiting().len(), 0);
}

#[test]
fn one_call_forwards_only_so_many_and_asks_for_another() {
    let small = |pods| pool(&[("a", pods, Some(profile(&[(0.01, 1.0)], 100.0)))]);
    let mut world = World::new(1, small(1), Settings { max_waiting: 1000, ..settings() });
    // Of 20 classes, so that one look at the heads of all sees more than may be forwarded.
    (0..300).for_each(|id| world.arrive(0, Arrival { class: id as usize % 20, ..arrival(id, 0, START) }));
    assert_eq!(world.running().len(), 100);
    world.set_pool(0, small(3).into());
    assert_eq!(world.running().len(), 100 + MOST_ACTIONS);
    world.deliver_all();
    assert_eq!(world.running().len(), 300);
}

#[test]
fn a_request_that_left_while_it_waited_is_never_forwarded() {
    let mut world = world(settings());
    (1..4).for_each(|id| world.arrive(0, arrival(id, 0, START)));
    world.cancel(3);
    world.finish(1, &well());
    world.settle();
    assert_eq!((world.running(), world.waiting()), (vec![2], vec![]));
}

#[test]
fn new_profiles_judge_what_waits_and_charge_what_runs() {
    let mut dispatcher = dispatcher(settings(), halves());
    (1..5).for_each(|id| drop(dispatcher.submit(arrival(id, 0, START), START)));
    assert_eq!((dispatcher.in_flight(), dispatcher.waiting()), (2, 2));
    let quarters = pool(&[("a", 1, Some(profile(&[(0.25, 1.0), (0.0, 3.0)], 10.0)))]);
    assert_eq!(dispatcher.set_pool(quarters.into(), START).len(), 2);
    dispatcher.submit(arrival(5, 0, START), START);
    assert_eq!((dispatcher.in_flight(), dispatcher.waiting()), (4, 1), "four of a quarter fill it");
}

/// A pod on which shape 0 is as infeasible as shape 1, for 3 s are more than any objective.
fn hopeless() -> Pool {
    pool(&[("a", 1, Some(profile(&[(0.0, 3.0), (0.0, 3.0)], 1.0)))])
}

#[test]
fn what_new_profiles_show_to_be_infeasible_while_it_waits_is_refused_or_served_last() {
    for late in [LatePolicy::Last, LatePolicy::Reject] {
        for (reject_infeasible, refused) in [(true, 2), (false, 0)] {
            let settings = Settings { reject_infeasible, late, ..settings() };
            let mut dispatcher = dispatcher(settings, halves());
            (1..5).for_each(|id| drop(dispatcher.submit(arrival(id, 0, START), START)));
            let actions = dispatcher.set_pool(hopeless().into(), START);
            let is_refusal = |action: &&Action| matches!(action, Action::Refuse(_, RefusalReason::Infeasible, None));
            assert_eq!(actions.iter().filter(is_refusal).count(), refused, "{late:?}: {actions:?}");
            if reject_infeasible {
                assert_eq!((dispatcher.in_flight(), dispatcher.waiting()), (2, 0), "what runs is left in peace");
            }
        }
    }
}

/// Envoy runs what follows from each nested on one stack.
#[test]
fn of_those_that_became_infeasible_one_call_refuses_so_many_and_forwards_none() {
    let settings = Settings { reject_infeasible: true, max_waiting: 1000, ..settings() };
    let mut world = World::new(1, halves(), settings);
    (0..202).for_each(|id| world.arrive(0, arrival(id, 0, START)));
    world.set_pool(0, hopeless().into());
    assert_eq!((world.waiting().len(), world.running().len()), (200 - MOST_ACTIONS, 2));
    world.deliver_all();
    let refused = world.ids(|fate| matches!(fate, Fate::Refused(RefusalReason::Infeasible)));
    assert_eq!((refused.len(), world.waiting().len()), (200, 0));
}

/// Envoy holds a stream whose callback answered another.
#[test]
fn whoever_comes_when_others_became_infeasible_leaves_their_refusal_to_the_next_look() {
    let settings = Settings { reject_infeasible: true, max_waiting: 1000, ..settings() };
    let mut dispatcher = dispatcher(settings, halves());
    (0..80).for_each(|id| drop(dispatcher.submit(arrival(id, 0, START), START)));
    let only_slow = pool(&[("a", 1, Some(profile(&[(0.0, 3.0), (0.5, 1.0)], 1.0)))]);
    assert_eq!(dispatcher.set_pool(only_slow.into(), START).len(), MOST_ACTIONS);
    let own = |action: &Action| matches!(action, Action::Forward(RequestId(80), _));
    assert!(dispatcher.submit(arrival(80, 1, START), START).iter().all(own));
    assert_eq!(refusal(&dispatcher.look_again(START)[..1]).0, RefusalReason::Infeasible);
}

#[test]
fn what_is_not_scheduled_goes_to_a_pod_and_is_not_charged() {
    let mut dispatcher = dispatcher(settings(), halves());
    for _ in 0..5 {
        assert_eq!(dispatcher.pick(None, None, START), Some(("10.0.0.0:8000".into(), vec![])));
    }
    assert_eq!(dispatcher.submit(arrival(1, 0, START), START).len(), 1);
    assert_eq!(dispatcher.in_flight(), 1);
}

#[test]
fn without_a_profile_a_pod_takes_as_many_as_configured() {
    let assessment = Assessment {
        default_concurrency: Some(6.0),
        fallback_policy: least_request::LEAST_REQUEST,
        ..Assessment::default()
    };
    let mut world = World::new(1, pool(&[("a", 2, None)]), Settings { assessment, ..settings() });
    (0..14).for_each(|id| world.arrive(0, arrival(id, 0, START)));
    assert_eq!((world.running().len(), world.waiting().len()), (12, 2));
    world.finish(0, &well());
    world.settle();
    assert_eq!(world.running().len(), 12);
}

#[test]
fn the_survey_counts_what_all_vms_hold_and_only_the_lowest_seat_tells_it() {
    let memory = Memory::default();
    let mut vms: Vec<_> = (0..2)
        .map(|seed| {
            let mut vm = Dispatcher::new(memory.clone(), settings(), seed, START);
            vm.set_pool(halves().into(), START);
            vm
        })
        .collect();
    let empty = Survey { pods: 1, ..Survey::default() };
    assert_eq!(vms[1].survey(START), Some(empty), "where none has a seat, all tell");
    for id in 0..5 {
        vms[id as usize % 2].submit(arrival(id, 0, START), START);
    }
    let survey = vms[0].survey(START).unwrap();
    assert_eq!((survey.waiting, survey.in_flight, survey.pods, survey.pods_failing), (3, 2, 1, 0));
    assert_eq!(vms[1].survey(START), None);
    vms[0].leave();
    assert!(vms[1].survey(START).is_some());
    assert_eq!(vms[0].survey(START), None, "without a seat, beside one that has");
}

#[test]
fn an_end_of_what_does_not_run_changes_nothing() {
    let mut dispatcher = dispatcher(settings(), halves());
    dispatcher.finish(RequestId(7), &End::PodFailed, START);
    dispatcher.cancel(RequestId(7), START);
    assert_eq!((dispatcher.in_flight(), dispatcher.waiting()), (0, 0));
}

const POLICIES: [PolicyName; 7] = [
    pull::SLO,
    pull::SLO_LEAST_LOAD_PULLING,
    pull::SLO_PACK_LOAD,
    push::SLO_LEAST_LOAD,
    attainment::SLO_ATTAINMENT,
    least_request::LEAST_REQUEST,
    random::RANDOM,
];

#[test]
fn every_policy_keeps_to_a_deployments_bound() {
    for policy in POLICIES {
        let pool = pool(&[("a", 2, Some(profile(&[(0.01, 1.0)], 100.0)))]).bounded(|_| Some(3));
        let mut dispatcher = dispatcher(settings(), pool);
        let actions = (0..10).flat_map(|id| dispatcher.submit(Arrival { policy, ..arrival(id, 0, START) }, START));
        assert_eq!(actions.count(), 6, "{policy}");
        assert_eq!((dispatcher.in_flight(), dispatcher.waiting()), (6, 4), "{policy}");
        assert!(dispatcher.pick(None, None, START).is_some(), "what is not charged is not bound");
        dispatcher.finish(RequestId(0), &well(), START);
        assert_eq!(dispatcher.look_again(START).len(), 1, "{policy}");
    }
}

#[test]
fn on_an_idle_pool_no_policy_that_pulls_holds_anything() {
    let pools = || [halves(), pool(&[("a", 2, Some(profile(&[(0.9, 1.0), (0.0, 3.0), (0.3, 200.0)], 10.0)))])];
    for policy in POLICIES.into_iter().filter(|policy| *policy != attainment::SLO_ATTAINMENT) {
        for pool in pools() {
            for (kind, slo_ms) in [(0, None), (1, None), (0, Some(1)), (1, Some(1)), (2, None)] {
                let mut dispatcher = dispatcher(settings(), pool.clone());
                let slo = slo_ms.map(|ms| Slo { e2e: Some(Duration::from_millis(ms)), ..Slo::default() });
                let hopeless = Arrival { policy, slo, ..arrival(1, kind, START) };
                let actions = dispatcher.submit(hopeless, START);
                assert!(matches!(actions[..], [Action::Forward(..)]), "{policy} {kind} {slo_ms:?}: {actions:?}");
            }
        }
    }
}

#[test]
fn what_is_infeasible_by_an_estimate_alone_is_let_through_now_and_then() {
    let by_output = serde_json::json!({
        "gpu": "test", "indexes": [[1, 1024], [4]], "tputs": [[1.0], [0.0]], "e2e": [[1.0], [30.0]], "slos": { "e2e": 10.0 },
    });
    let profile = Profile::from_json(by_output.to_string().as_bytes()).unwrap();
    let mut dispatcher =
        dispatcher(Settings { reject_infeasible: true, ..settings() }, pool(&[("a", 4, Some(profile))]));
    let long = |id| Arrival { shape: Shape { output_tokens: 1024, input_tokens: 4 }, ..arrival(id, 0, START) };
    let outcomes: Vec<bool> =
        (0..10).map(|id| matches!(dispatcher.submit(long(id), START)[..], [Action::Forward(..)])).collect();
    assert_eq!(outcomes, [false, false, false, false, false, false, false, true, false, false]);
    let later = START.after(secs(1));
    assert!(matches!(dispatcher.submit(long(11), later)[..], [Action::Forward(..)]));
    assert_eq!(refusal(&dispatcher.submit(long(12), later)).0, RefusalReason::Infeasible);
}

#[test]
fn the_survey_counts_what_runs_on_pods_that_are_gone() {
    let mut dispatcher = dispatcher(settings(), halves());
    dispatcher.submit(arrival(1, 0, START), START);
    dispatcher.set_pool(pool(&[("b", 1, None)]).into(), START);
    dispatcher.set_pool(Pool::default().into(), START);
    assert_eq!(dispatcher.survey(START).map(|survey| survey.in_flight), Some(1));
}
