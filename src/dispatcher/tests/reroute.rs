//! Pods other than the one that was asked for: retries, fallbacks, and pods that are ruled out from
//! the start.

use std::net::SocketAddr;

use super::world::{settings, well};
use crate::dispatcher::{Action, Dispatcher, Placement, RefusalReason, Settings};
use crate::scheduling::pool::Pool;
use crate::scheduling::request::{Arrival, RequestId};
use crate::scheduling::subset::Subset;
use crate::scheduling::testing::{START, arrival, pool, profile};
use crate::shared::health::Change;
use crate::shared::memory::Memory;

/// Requests of shape 0 take half of a pod of `fast`, a quarter of one of `slow`.
fn pods(fast: u8, slow: u8) -> Pool {
    let fast_profile = profile(&[(0.5, 1.0), (0.0, 3.0)], 10.0);
    let slow_profile = profile(&[(0.25, 4.0), (0.0, 9.0)], 10.0);
    pool(&[("fast", fast, Some(fast_profile)), ("slow", slow, Some(slow_profile))])
}

fn dispatcher(alternatives: usize, pool: Pool) -> Dispatcher<Memory> {
    let mut dispatcher = Dispatcher::new(Memory::default(), Settings { alternatives, ..settings() }, 1, START);
    dispatcher.set_pool(pool.into(), START);
    dispatcher
}

fn placed(actions: &[Action]) -> &Placement {
    let [Action::Forward(_, placement)] = actions else { panic!("{actions:?}") };
    placement
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

/// Places more requests while they find room; returns where.
fn fill(dispatcher: &mut Dispatcher<Memory>, first: u32) -> Vec<String> {
    let mut pods = Vec::new();
    for id in first.. {
        match dispatcher.submit(arrival(id, 0, START), START).as_slice() {
            [Action::Forward(_, placement)] => pods.push(placement.address.to_string()),
            _ => break,
        }
    }
    pods.sort();
    pods
}

#[test]
fn what_another_pod_serves_is_charged_to_that_one() {
    let mut dispatcher = dispatcher(0, pods(2, 0));
    let sent_to = placed(&dispatcher.submit(arrival(1, 0, START), START)).address;
    let other = [at("10.0.0.0:8000"), at("10.0.0.1:8000")].into_iter().find(|pod| *pod != sent_to).unwrap();
    assert_eq!(dispatcher.served_by(RequestId(1), other, START), Some(Change::Out));
    // The first pod failed it and is out, so of the other pod half is left.
    assert_eq!(fill(&mut dispatcher, 10), [other.to_string()]);
    assert_eq!(dispatcher.survey(START).unwrap().pods_failing, 1);
}

#[test]
fn it_is_charged_by_the_profile_of_the_pod_that_serves() {
    let mut dispatcher = dispatcher(0, pods(1, 1));
    assert_eq!(placed(&dispatcher.submit(arrival(1, 0, START), START)).address, at("10.0.0.0:8000"));
    dispatcher.served_by(RequestId(1), at("10.0.1.0:8000"), START);
    // A quarter is taken there; the fast pod is out.
    assert_eq!(fill(&mut dispatcher, 10), ["10.0.1.0:8000"; 3]);
}

#[test]
fn what_the_right_pod_serves_changes_nothing() {
    let mut dispatcher = dispatcher(0, pods(1, 0));
    let address = placed(&dispatcher.submit(arrival(1, 0, START), START)).address;
    dispatcher.served_by(RequestId(1), address, START);
    assert_eq!(fill(&mut dispatcher, 10), ["10.0.0.0:8000"]);
    assert_eq!(dispatcher.survey(START).unwrap().pods_failing, 0);
}

#[test]
fn what_a_stranger_serves_takes_no_room_and_is_released() {
    let mut dispatcher = dispatcher(0, pods(2, 0));
    dispatcher.submit(arrival(1, 0, START), START);
    dispatcher.served_by(RequestId(1), at("10.9.9.9:80"), START);
    assert_eq!(dispatcher.in_flight(), 1);
    assert_eq!(fill(&mut dispatcher, 10).len(), 2, "the pod that failed is out, the other is empty");
    dispatcher.finish(RequestId(1), &well(), START);
    dispatcher.served_by(RequestId(1), at("10.0.0.0:8000"), START);
    assert_eq!(dispatcher.in_flight(), 2, "one that has ended is nobody's");
}

#[test]
fn alternatives_are_those_with_room_then_kin_then_the_emptiest() {
    let mut dispatcher = dispatcher(3, pods(3, 2));
    let first = placed(&dispatcher.submit(arrival(1, 0, START), START)).clone();
    assert_eq!(first.alternatives.len(), 3);
    let others = |pod: u8| at(&format!("10.0.0.{pod}:8000"));
    let kin: Vec<_> = (0..3).map(others).filter(|pod| *pod != first.address).collect();
    assert_eq!(first.alternatives[..2], kin[..]);
    assert_eq!(first.alternatives[2], at("10.0.1.0:8000"));
    assert_eq!(fill(&mut dispatcher, 10).len(), 5 + 8);
}

#[test]
fn what_is_not_scheduled_has_alternatives_too() {
    let mut dispatcher = dispatcher(2, pods(3, 0));
    let (pod, alternatives) = dispatcher.pick(None, None, START).unwrap();
    assert_eq!(alternatives.len(), 2);
    assert!(!alternatives.contains(&at(&pod)), "{pod} {alternatives:?}");
}

#[test]
fn without_alternatives_one_pod_is_named() {
    let mut dispatcher = dispatcher(0, pods(3, 0));
    let placement = placed(&dispatcher.submit(arrival(1, 0, START), START)).clone();
    assert_eq!(placement.alternatives, vec![]);
}

#[test]
fn a_subset_keeps_a_request_to_its_pods() {
    let mut dispatcher = dispatcher(3, pods(3, 1));
    let only = |id, entry: &str| Arrival { subset: Some(Subset::of([entry])), ..arrival(id, 0, START) };
    for id in 0..2 {
        let placement = placed(&dispatcher.submit(only(id, "10.0.0.2:8000"), START)).clone();
        assert_eq!((placement.address, placement.alternatives), (at("10.0.0.2:8000"), vec![]));
    }
    assert_eq!(dispatcher.submit(only(2, "10.0.0.2"), START), [], "it waits for that pod");
    let elsewhere = placed(&dispatcher.submit(only(3, "10.0.1.0,10.0.0.2"), START)).address;
    assert_eq!(elsewhere, at("10.0.1.0:8000"), "one with a wider choice does not wait behind it");
    dispatcher.finish(RequestId(0), &well(), START);
    assert_eq!(placed(&dispatcher.look_again(START)).address, at("10.0.0.2:8000"));
}

#[test]
fn a_subset_without_pods_of_the_pool_has_none_ready() {
    let mut dispatcher = dispatcher(0, pods(1, 0));
    for subset in [Subset::default(), Subset::of(["10.0.0.0:9", "10.9.9.9"])] {
        let arrival = Arrival { subset: Some(subset.clone()), ..arrival(1, 0, START) };
        let actions = dispatcher.submit(arrival, START);
        assert!(matches!(actions[..], [Action::Refuse(_, RefusalReason::NoReadyPod, None)]), "{actions:?}");
        assert_eq!(dispatcher.pick(None, Some(subset), START), None);
    }
    assert_eq!(dispatcher.pick(None, Some(Subset::of(["10.0.0.0"])), START), Some(("10.0.0.0:8000".into(), vec![])));
}
