//! Pods that come, go, and are described wrongly, or of which nothing is known yet.

use serde_json::json;
use wasm_host::{CallAnswer, Stream};

use super::{answer, good, pod_list, room, served, with_pods};
use crate::support::{DEPLOYMENT, Gateway, Sent, Shared, address, all_leave, builder, entry, ms, s};

/// It is where Envoy's own balancing sent it, and its client is told so.
fn assert_unplaced(stream: &Stream) {
    let upstream = stream.upstream_headers().expect("it goes on");
    assert_eq!(upstream.get("x-gateway-destination-endpoint"), None);
    stream.finish();
    assert_eq!((stream.status(), stream.header("x-slo-router-reason").as_deref()), (Some(200), Some("no-pods")));
}

#[test]
fn a_source_that_cannot_be_asked_yet_is_asked_again_within_a_tenth_of_a_second() {
    let cluster = answer(CallAnswer::NoHosts);
    let world = served(builder(&with_pods()).workers(2), "pods", &cluster).build().unwrap();
    world.advance(ms(120));
    *cluster.borrow_mut() = good(pod_list(&[0]));
    world.advance(ms(130));
    let placed = world.ask(0);
    assert_eq!(placed.pod(), Some(address(0)));
    placed.finish();
    world.assert_idle();
}

#[test]
fn a_source_that_goes_on_failing_is_asked_ever_more_seldom() {
    let mut config = with_pods();
    config["pods"]["http"]["interval"] = json!("10s");
    let world = served(builder(&config).workers(2), "pods", &answer(CallAnswer::NoHosts)).build().unwrap();
    world.advance(s(60));
    let calls = world.calls().len();
    assert!((10..=14).contains(&calls), "{calls}");
    assert_eq!(world.complaints().len(), 1, "{:#?}", world.complaints());
}

#[test]
fn requests_that_come_before_the_first_list_wait_for_it() {
    let mut config = with_pods();
    config["request"] = json!({ "inspect": "headers" });
    for config in [with_pods(), config] {
        let cluster = answer(CallAnswer::NoHosts);
        let world = served(builder(&config).workers(2), "pods", &cluster).build().unwrap();
        let early = [world.ask(0), world.ask(1)];
        let passed = world.worker(0).request().to("GET", "/v1/models").send();
        let upload = world.worker(1).request().to("POST", "/v1/files").body("a file").send();
        world.advance(ms(300));
        let left = world.ask(1);
        left.client_reset();
        assert!(early.iter().chain([&passed, &upload]).all(Stream::is_paused));
        *cluster.borrow_mut() = good(pod_list(&[0, 1]));
        world.advance(ms(500));
        for stream in early.iter().chain([&passed, &upload]) {
            assert!(stream.pod().is_some());
            stream.finish();
            assert_eq!((stream.status(), stream.header("x-slo-router-reason")), (Some(200), None));
        }
        assert_eq!(world.count("fallback_total", "_reason=no-pods_"), 0);
        world.assert_idle();
    }
}

#[test]
fn where_no_list_comes_in_time_requests_go_where_envoy_sends_them() {
    let mut config = with_pods();
    config["request"] = json!({ "inspect": "headers" });
    for config in [with_pods(), config] {
        let cluster = answer(CallAnswer::response(ms(400), 500, ""));
        let world = served(builder(&config).workers(2), "pods", &cluster).build().unwrap();
        let forged = world.chat(0).header("x-gateway-destination-endpoint", "10.6.6.6:80").send();
        let (early, passed) = (world.ask(1), world.worker(1).request().to("GET", "/v1/models").send());
        world.advance(ms(4_900));
        assert!([&forged, &early, &passed].into_iter().all(Stream::is_paused));
        world.advance(ms(200));
        assert_unplaced(&forged);
        assert_unplaced(&early);
        assert_eq!(
            passed
                .upstream_headers()
                .and_then(|headers| headers.get("x-gateway-destination-endpoint").map(str::to_owned)),
            None
        );
        passed.finish();
        assert_eq!(world.count("fallback_total", "_reason=no-pods_"), 2);
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
fn a_crowd_that_came_before_the_first_list_is_let_go_by_and_by() {
    let mut config = with_pods();
    config["policy"] = json!("least-request");
    let cluster = answer(CallAnswer::NoHosts);
    let world = served(builder(&config), "pods", &cluster).build().unwrap();
    let crowd: Vec<Stream> = (0..600).map(|_| world.ask(0)).collect();
    *cluster.borrow_mut() = good(pod_list(&[0, 1]));
    world.advance(ms(500));
    assert!(crowd.iter().all(|stream| stream.pod().is_some()));
    all_leave(&crowd);
    world.assert_idle();
}

#[test]
fn a_probe_is_told_when_requests_can_be_placed() {
    let cluster = answer(CallAnswer::NoHosts);
    let world = served(builder(&with_pods()).workers(2), "pods", &cluster).build().unwrap();
    let probe = |path: &str| world.worker(1).request().to("GET", path).send();
    assert_eq!(probe("/slo-router/ready").status(), Some(503));
    *cluster.borrow_mut() = good(pod_list(&[]));
    world.advance(ms(500));
    assert_eq!(probe("/slo-router/ready?verbose").status(), Some(200), "that there are none is an answer");
    assert!(world.worker(1).request().to("POST", "/slo-router/ready").send().status().is_none(), "it passes");
    let mut config = with_pods();
    config["ready_path"] = json!(null);
    let world = served(builder(&config), "pods", &cluster).build().unwrap();
    assert!(world.worker(0).request().to("GET", "/slo-router/ready").send().status().is_none(), "it passes");
    world.assert_idle();
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
fn when_a_pod_fails_or_none_is_there_the_source_is_asked_before_its_time() {
    let mut config = with_pods();
    config["pods"]["http"]["interval"] = json!("10s");
    let cluster = answer(good(pod_list(&[0])));
    let world = served(builder(&config).workers(2), "pods", &cluster).build().unwrap();
    world.advance(s(2));
    let failed = world.ask(0);
    assert_eq!(failed.pod(), Some(address(0)));
    *cluster.borrow_mut() = good(pod_list(&[]));
    failed.upstream_reset();
    world.advance(ms(100));
    assert_eq!(world.ask(1).header("x-slo-router-reason").as_deref(), Some("no_ready_pod"));
    *cluster.borrow_mut() = good(pod_list(&[3]));
    world.advance(ms(1_300));
    let placed = world.ask(1);
    assert_eq!(placed.pod(), Some(address(3)));
    placed.finish();
    assert_eq!(world.calls().len(), 3, "the first, and one for each cause");
    world.assert_idle();
}

#[test]
fn what_is_said_of_a_source_is_true_of_what_is_in_force() {
    let cluster = answer(CallAnswer::NoHosts);
    let world = served(builder(&with_pods()), "pods", &cluster).build().unwrap();
    world.advance(ms(100));
    *cluster.borrow_mut() = good(pod_list(&[0]));
    world.advance(s(2));
    *cluster.borrow_mut() = good("{}");
    world.advance(s(2));
    let said = world.complaints();
    let [first, last] = said.as_slice() else { panic!("{said:#?}") };
    assert!(first.ends_with("; there are none so far, and they are asked for again soon"), "{first}");
    assert!(last.ends_with("; the last good ones stay in force"), "{last}");
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
