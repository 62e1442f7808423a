//! Pods that come, go, and are described wrongly, or of which nothing is known yet.

use serde_json::json;
use wasm_host::{CallAnswer, Stream};

use super::{answer, good, pod_list, room, served, with_pods};
use crate::support::{DEPLOYMENT, Gateway, Sent, Shared, address, builder, entry, ms, s};

/// It is where Envoy's own balancing sent it, and its client is told so.
fn assert_unplaced(stream: &Stream) {
    let upstream = stream.upstream_headers().expect("it goes on");
    assert_eq!(upstream.get("x-gateway-destination-endpoint"), None);
    stream.finish();
    assert_eq!((stream.status(), stream.header("x-slo-router-reason").as_deref()), (Some(200), Some("no-pods")));
}

#[test]
fn until_the_first_answer_requests_go_where_envoy_sends_them() {
    let mut config = with_pods();
    config["request"] = json!({ "inspect": "headers" });
    for config in [with_pods(), config] {
        let cluster = answer(CallAnswer::response(ms(400), 500, ""));
        let world = served(builder(&config).workers(2), "pods", &cluster).build().unwrap();
        assert_unplaced(&world.ask(0));
        world.advance(s(3));
        assert_unplaced(&world.ask(1));
        assert_eq!(world.count("fallback_total", "_reason=no-pods_"), 2);
        let forged = world.chat(0).header("x-gateway-destination-endpoint", "10.6.6.6:80").send();
        assert_unplaced(&forged);
        *cluster.borrow_mut() = good(pod_list(&[0]));
        world.advance(ms(1_600));
        for worker in [0, 1] {
            let placed = world.ask(worker);
            assert_eq!(placed.pod(), Some(address(0)));
            placed.finish();
            assert_eq!(placed.header("x-slo-router-reason"), None);
            world.settle();
        }
        world.assert_idle();
    }
}

#[test]
fn until_the_first_answer_bad_requests_are_refused_as_ever() {
    let cluster = answer(CallAnswer::Silence);
    let world = served(builder(&with_pods()), "pods", &cluster).build().unwrap();
    let bad = world.worker(0).request().to("POST", "/v1/chat/completions").body("no JSON").send();
    assert_eq!((bad.status(), bad.header("x-slo-router-reason").as_deref()), (Some(400), Some("body_invalid")));
    let strange = world.chat(0).header("routing-strategy", "strange").send();
    assert_eq!(strange.header("x-slo-router-reason").as_deref(), Some("strategy_unknown"));
}

#[test]
fn a_first_answer_that_there_are_no_pods_is_believed() {
    let world = served(builder(&with_pods()).workers(2), "pods", &answer(good(pod_list(&[])))).build().unwrap();
    world.advance(ms(600));
    for worker in [0, 1] {
        assert_eq!(world.ask(worker).header("x-slo-router-reason").as_deref(), Some("no_ready_pod"));
    }
}

#[test]
fn pods_of_the_configuration_are_known_before_any_answer() {
    let mut config = with_pods();
    config["pods"]["static"] = json!([entry(4, DEPLOYMENT)]);
    let world = served(builder(&config), "pods", &answer(CallAnswer::Silence)).build().unwrap();
    assert_eq!(world.ask(0).pod(), Some(address(4)));
}

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
