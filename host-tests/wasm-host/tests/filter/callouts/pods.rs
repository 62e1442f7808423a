//! Pods that come, go, and are described wrongly.

use super::{answer, good, pod_list, room, served, with_pods};
use crate::support::{Gateway, Sent, Shared, address, builder, ms, s};

#[test]
fn pods_come_and_go() {
    let cluster = answer(good(pod_list(&[0])));
    let world = served(builder(&with_pods()).workers(2), "pods", &cluster).build().unwrap();
    world.advance(ms(600));
    let first = world.ask(0);
    let waits = world.ask(1);
    assert_eq!((first.pod(), waits.is_paused()), (Some(address(0)), true));

    *cluster.borrow_mut() = good(pod_list(&[0, 1]));
    world.advance(ms(1_400));
    assert_eq!(waits.pod(), Some(address(1)), "a new pod takes what waits");

    let waits = [waits, world.ask(0)];
    *cluster.borrow_mut() = good(pod_list(&[1]));
    world.advance(ms(1_400));
    first.finish();
    world.settle();
    assert!(waits[1].is_paused(), "a pod that has gone takes nothing more");
    waits[0].finish();
    world.settle();
    assert_eq!(waits[1].pod(), Some(address(1)));
    waits[1].finish();
    world.assert_idle();
}

#[test]
fn a_pool_that_is_scaled_to_zero_answers_503_until_it_is_back() {
    let cluster = answer(good(pod_list(&[0])));
    let world = served(builder(&with_pods()).workers(2), "pods", &cluster).build().unwrap();
    world.advance(ms(600));
    let runs = world.ask(0);
    let waits = world.ask(0);
    *cluster.borrow_mut() = good(pod_list(&[]));
    world.advance(ms(1_400));
    let refused = world.ask(1);
    assert_eq!((refused.status(), refused.header("x-slo-router-reason").as_deref()), (Some(503), Some("no_ready_pod")));
    assert_eq!(refused.header("retry-after"), None);
    runs.finish();
    assert_eq!(runs.status(), Some(200), "what runs ends as it would");
    *cluster.borrow_mut() = good(pod_list(&[3]));
    world.advance(ms(1_400));
    assert_eq!(waits.pod(), Some(address(3)), "what waited was not lost");
    waits.finish();
    assert_eq!(Shared(&world).in_flight(), 0);
    world.assert_idle();
}

#[test]
fn absurd_pod_lists_change_nothing() {
    for bad in [
        r#"{"pods": [{"address": "0.0.0.0:80", "deployment": "a"}]}"#.to_owned(),
        r#"{"pods": [{"address": "pod-7:80", "deployment": "a"}]}"#.to_owned(),
        pod_list(&[1, 1]),
        "[]".to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
    ] {
        let cluster = answer(good(pod_list(&[0, 1])));
        let world = served(builder(&with_pods()).workers(2), "pods", &cluster).build().unwrap();
        world.advance(ms(600));
        *cluster.borrow_mut() = good(bad.clone());
        world.advance(s(5));
        assert_eq!(room(&world, 1), 2, "{bad}");
        assert_eq!(world.complaints().len(), 1, "{bad}: {:#?}", world.complaints());
    }
}
