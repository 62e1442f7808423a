//! Profiles and pods that are fetched: one VM at a time asks, all take what is good, and what is not changes nothing.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Value, json};
use wasm_host::{Builder, CallAnswer, CallReply, Retire, Stream, Thread, What, World};

use crate::support::{DEPLOYMENT, Gateway, Sent, Shared, address, builder, document, entry, filter, ms, profile, s};

/// How a cluster answers from now on; tests change it.
type Answer = Rc<RefCell<CallAnswer>>;

fn good(body: impl Into<Vec<u8>>) -> CallAnswer {
    CallAnswer::response(ms(20), 200, body)
}

fn answer(first: CallAnswer) -> Answer {
    Rc::new(RefCell::new(first))
}

fn served(builder: Builder, cluster: &str, answer: &Answer) -> Builder {
    let answer = Rc::clone(answer);
    builder.cluster(cluster, move |_| answer.borrow().clone())
}

/// Two pods whose profiles are fetched every second.
fn with_profiles() -> Value {
    let mut config = filter(2, 1);
    config["profiles"] = json!({ "http": source("profiles") });
    config
}

/// Pods that are fetched every second, of which each takes one request.
fn with_pods() -> Value {
    let mut config = filter(0, 1);
    config["pods"] = json!({ "http": source("pods") });
    config
}

fn source(cluster: &str) -> Value {
    json!({ "cluster": cluster, "path": "/d.json", "interval": "1s", "timeout": "500ms" })
}

fn pods(numbers: &[usize]) -> String {
    json!({ "pods": numbers.iter().map(|pod| entry(*pod, DEPLOYMENT)).collect::<Vec<_>>() }).to_string()
}

/// How many requests run on the pods at once, of more than can.
fn room(world: &World, worker: usize) -> usize {
    let streams: Vec<Stream> = (0..20).map(|_| world.ask(worker)).collect();
    let running = streams.iter().filter(|stream| stream.is_running()).count();
    for stream in streams.iter().rev() {
        stream.client_reset();
    }
    world.settle();
    running
}

/// A world whose profiles come from such a cluster, after the first answer.
fn fetched(workers: usize, answer: &Answer) -> World {
    let world = served(builder(&with_profiles()).workers(workers), "profiles", answer).build().unwrap();
    world.advance(ms(600));
    world
}

#[test]
fn profiles_are_in_force_in_all_vms_soon_after_the_first_tick() {
    let world =
        served(builder(&with_profiles()).workers(4), "profiles", &answer(good(document(&[profile(DEPLOYMENT, 3)]))));
    let world = world.build().unwrap();
    let before = world.ask(3);
    assert!(before.is_running());
    before.finish();
    assert_eq!(before.header("x-slo-router-reason").as_deref(), Some("no-profile"));
    world.advance(ms(300));
    for worker in 0..4 {
        assert_eq!(room(&world, worker), 6, "worker {worker}");
    }
    world.assert_idle();
}

#[test]
fn one_vm_at_a_time_asks_once_an_interval() {
    for seed in 0..10 {
        let ok = answer(good(document(&[profile(DEPLOYMENT, 1)])));
        let world = served(builder(&with_profiles()).workers(8).seed(seed), "profiles", &ok).build().unwrap();
        world.advance(s(20));
        let calls = world.calls();
        assert!((15..=20).contains(&calls.len()), "{}", calls.len());
        assert!(calls.windows(2).all(|pair| pair[1].at - pair[0].at >= s(1)));
        let headers = &calls[0].headers;
        assert_eq!((headers.get(":path"), headers.get(":authority")), (Some("/d.json"), Some("profiles")));
    }
}

#[test]
fn while_an_answer_is_awaited_nobody_else_asks() {
    let mut config = with_profiles();
    config["profiles"]["http"]["timeout"] = json!("5s");
    let silent = answer(CallAnswer::Silence);
    let world = served(builder(&config).workers(8), "profiles", &silent).build().unwrap();
    world.advance(s(30));
    let calls = world.calls();
    assert!((5..=7).contains(&calls.len()), "{}", calls.len());
    assert!(calls.windows(2).all(|pair| pair[1].at - pair[0].at >= s(5)));
}

#[test]
fn another_vm_asks_after_the_one_that_did_has_died() {
    let late = answer(CallAnswer::response(ms(400), 200, document(&[profile(DEPLOYMENT, 1)])));
    let world = |seed| served(builder(&with_profiles()).workers(3).seed(seed), "profiles", &late).build().unwrap();
    let asker = |seed| {
        let world = world(seed);
        world.advance(ms(450));
        let events = world.events();
        let answered = |event: &&wasm_host::Event| event.what == What::Callback("proxy_on_http_call_response");
        events.iter().find(answered).map(|event| event.thread)
    };
    let (seed, worker) = (0..50)
        .find_map(|seed| match asker(seed) {
            Some(Thread::Worker(worker)) => Some((seed, worker)),
            _ => None,
        })
        .expect("in one of these orders a worker is the first");
    let world = world(seed);
    world.advance(ms(100));
    assert_eq!(world.calls().len(), 1);
    world.worker(worker).kill();
    // The lease is for the timeout and a second; then the next tick.
    world.advance(ms(1_350));
    assert_eq!(world.calls().len(), 1);
    world.advance(ms(550));
    assert_eq!(world.calls().len(), 2);
    world.advance(ms(700));
    assert_eq!(room(&world, (worker + 1) % 3), 2);
}

#[test]
fn a_bad_answer_changes_nothing_and_is_said_once() {
    let html =
        CallReply { headers: [(":status", "200"), ("content-type", "text/html")].into(), ..CallReply::default() };
    let html = CallReply { body: b"<html>".to_vec(), ..html };
    let mut bad_profile = profile(DEPLOYMENT, 1);
    bad_profile["profile"]["tputs"] = json!([[-1]]);
    for (bad, expected) in [
        (CallAnswer::Silence, "504"),
        (CallAnswer::response(ms(5), 500, "{}"), "status 500, expected 200"),
        (CallAnswer::response(ms(5), 404, "{}"), "status 404, expected 200"),
        (CallAnswer::Broken { after: ms(5) }, "status 503"),
        (CallAnswer::Reset { after: ms(5) }, "no answer"),
        (CallAnswer::NoHosts, "could not be sent"),
        (CallAnswer::Response { after: ms(5), reply: html }, "text/html"),
        (good(""), "empty"),
        (good(vec![b' '; 100 << 20]), "the answer has 104857600 bytes"),
        (good("not JSON"), "expected"),
        (good(vec![0xff; 100]), "expected"),
        (good(r#"{"profiles": {}}"#), "expected"),
        (good(document(&[bad_profile])), "profiles[0].profile"),
    ] {
        let cluster = answer(good(document(&[profile(DEPLOYMENT, 3)])));
        let world = fetched(3, &cluster);
        assert_eq!(room(&world, 1), 6);
        *cluster.borrow_mut() = bad.clone();
        world.advance(s(30));
        assert!(world.calls().len() > 15, "it goes on asking");
        let complaints = world.complaints();
        assert!(matches!(&complaints[..], [line] if line.contains(expected)), "{expected}: {complaints:#?}");
        assert!(complaints[0].contains("profiles"), "it says what is concerned");
        assert_eq!(room(&world, 1), 6, "{expected}");
        assert!(world.count("source_errors_total", "_source=profiles_") >= 10, "{expected}");
        *cluster.borrow_mut() = good(document(&[profile(DEPLOYMENT, 4)]));
        world.advance(s(3));
        assert_eq!(room(&world, 1), 8, "{expected}");
        let recovered = world.logs().iter().filter(|line| line.contains("all is well again")).count();
        assert_eq!(recovered, 1, "{expected}");
        assert_eq!(world.complaints().len(), 1);
        world.assert_idle();
    }
}

#[test]
fn another_complaint_is_another_line() {
    let cluster = answer(CallAnswer::Silence);
    let world = fetched(2, &cluster);
    for bad in [CallAnswer::NoHosts, CallAnswer::response(ms(5), 500, ""), CallAnswer::NoHosts] {
        *cluster.borrow_mut() = bad;
        world.advance(s(10));
    }
    assert_eq!(world.complaints().len(), 4, "{:#?}", world.complaints());
}

#[test]
fn an_unknown_cluster_is_said_once_and_requests_go_by_the_fallback() {
    let world = builder(&with_profiles()).workers(2).build().unwrap();
    world.advance(s(20));
    let complaints = world.complaints();
    assert!(matches!(&complaints[..], [line] if line.contains("`profiles`")), "{complaints:#?}");
    let stream = world.ask(0);
    stream.finish();
    assert_eq!(stream.header("x-slo-router-reason").as_deref(), Some("no-profile"));
    world.assert_idle();
}

#[test]
fn of_a_partly_bad_document_the_good_is_taken_and_of_the_bad_the_last_good_stays() {
    let (a, b) = ("default/a", "default/b");
    let mut config = with_profiles();
    config["pods"]["static"][1]["deployment"] = json!(b);
    let cluster = answer(good(document(&[profile(a, 1), profile(b, 2)])));
    let world = served(builder(&config).workers(2), "profiles", &cluster).build().unwrap();
    world.advance(ms(600));
    assert_eq!(room(&world, 0), 3);
    let mut bad = profile(b, 9);
    bad["profile"]["e2e"] = json!([[1.0, 2.0]]);
    *cluster.borrow_mut() = good(document(&[profile(a, 4), bad]));
    world.advance(s(10));
    assert_eq!([room(&world, 0), room(&world, 1)], [6, 6], "4 of the new one, 2 of the last good one");
    let complaints = world.complaints();
    assert!(matches!(&complaints[..], [line] if line.contains("profiles[1]")), "{complaints:#?}");
    world.assert_idle();
}

#[test]
fn the_last_good_profiles_and_pods_are_there_for_the_first_request_of_a_reloaded_vm() {
    let mut config = with_pods();
    config["profiles"] = json!({ "http": source("profiles") });
    let (profiles, pods) = (answer(good(document(&[profile(DEPLOYMENT, 2)]))), answer(good(pods(&[0, 1]))));
    let world = served(served(builder(&config), "profiles", &profiles), "pods", &pods).build().unwrap();
    world.advance(s(2));
    for cluster in [profiles, pods] {
        *cluster.borrow_mut() = CallAnswer::NoHosts;
    }
    world.advance(s(2));
    world.worker(0).kill();
    assert_eq!(room(&world, 0), 4);
    world.assert_idle();
    // It settles at the slow pace of a VM in which nothing waits.
    world.clear_history();
    world.advance(s(2));
    let is_tick =
        |event: &wasm_host::Event| event.thread == Thread::Worker(0) && event.what == What::Callback("proxy_on_tick");
    assert!(world.events().into_iter().filter(is_tick).count() <= 8);
}

#[test]
fn a_complaint_is_said_once_whichever_vm_fetches() {
    for seed in 0..10 {
        let cluster = answer(good(document(&[profile(DEPLOYMENT, 3)])));
        let world = served(builder(&with_profiles()).workers(4).seed(seed), "profiles", &cluster).build().unwrap();
        world.advance(s(2));
        *cluster.borrow_mut() = CallAnswer::response(ms(5), 500, "");
        world.advance(s(20));
        *cluster.borrow_mut() = good(document(&[profile(DEPLOYMENT, 3)]));
        world.advance(s(20));
        assert_eq!(world.complaints().len(), 1);
        assert_eq!(world.logs().iter().filter(|line| line.contains("all is well again")).count(), 1);
    }
}

#[test]
fn an_answer_that_comes_after_its_root_has_gone_is_nobodys() {
    let cluster = answer(CallAnswer::response(ms(400), 200, document(&[profile(DEPLOYMENT, 1)])));
    let world = served(builder(&with_profiles()).workers(2), "profiles", &cluster).build().unwrap();
    world.advance(ms(100));
    assert_eq!(world.calls().len(), 1);
    let mut config = with_profiles();
    config["profiles"]["http"]["path"] = json!("/new.json");
    world.update(config.to_string(), Retire::AfterLastStream).unwrap();
    world.advance(ms(800));
    let paths: Vec<_> = world.calls().iter().filter_map(|call| call.headers.get(":path").map(str::to_owned)).collect();
    assert_eq!(paths, ["/d.json", "/new.json"], "the new root asks for itself");
    assert_eq!(room(&world, 0), 2);
    assert_eq!(world.complaints(), Vec::<String>::new());
    world.assert_idle();
}

#[test]
fn a_profile_that_grows_releases_what_waits_and_one_that_shrinks_fills_nothing_more() {
    let cluster = answer(good(document(&[profile(DEPLOYMENT, 1)])));
    let world = fetched(2, &cluster);
    let streams: Vec<Stream> = (0..12).map(|index| world.ask(index % 2)).collect();
    let running = || streams.iter().filter(|stream| stream.is_running()).count();
    assert_eq!(running(), 2);
    *cluster.borrow_mut() = good(document(&[profile(DEPLOYMENT, 4)]));
    world.advance(ms(1_400));
    assert_eq!(running(), 8);
    *cluster.borrow_mut() = good(document(&[profile(DEPLOYMENT, 2)]));
    world.advance(ms(1_400));
    assert_eq!(running(), 8, "what runs is left in peace");
    for expected in [7, 6, 5, 4, 4, 4, 4, 4, 3, 2, 1, 0] {
        // Of the fuller pod, so that room comes as late as can be.
        let on_pods = crate::support::on_pods(&streams);
        let fullest = on_pods.iter().max_by_key(|(_, count)| **count).unwrap().0;
        let of = |stream: &&Stream| stream.is_running() && stream.pod().as_ref() == Some(fullest);
        streams.iter().find(of).unwrap().finish();
        world.settle();
        assert_eq!(running(), expected);
    }
    world.assert_idle();
}

// === pods ===

#[test]
fn pods_come_and_go() {
    let cluster = answer(good(pods(&[0])));
    let world = served(builder(&with_pods()).workers(2), "pods", &cluster).build().unwrap();
    world.advance(ms(600));
    let first = world.ask(0);
    let waits = world.ask(1);
    assert_eq!((first.pod(), waits.is_paused()), (Some(address(0)), true));

    *cluster.borrow_mut() = good(pods(&[0, 1]));
    world.advance(ms(1_400));
    assert_eq!(waits.pod(), Some(address(1)), "a new pod takes what waits");

    let waits = [waits, world.ask(0)];
    *cluster.borrow_mut() = good(pods(&[1]));
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
    let cluster = answer(good(pods(&[0])));
    let world = served(builder(&with_pods()).workers(2), "pods", &cluster).build().unwrap();
    world.advance(ms(600));
    let runs = world.ask(0);
    let waits = world.ask(0);
    *cluster.borrow_mut() = good(pods(&[]));
    world.advance(ms(1_400));
    let refused = world.ask(1);
    assert_eq!((refused.status(), refused.header("x-slo-router-reason").as_deref()), (Some(503), Some("no_ready_pod")));
    assert_eq!(refused.header("retry-after"), None);
    runs.finish();
    assert_eq!(runs.status(), Some(200), "what runs ends as it would");
    *cluster.borrow_mut() = good(pods(&[3]));
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
        pods(&[1, 1]),
        "[]".to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
    ] {
        let cluster = answer(good(pods(&[0, 1])));
        let world = served(builder(&with_pods()).workers(2), "pods", &cluster).build().unwrap();
        world.advance(ms(600));
        *cluster.borrow_mut() = good(bad.clone());
        world.advance(s(5));
        assert_eq!(room(&world, 1), 2, "{bad}");
        assert_eq!(world.complaints().len(), 1, "{bad}: {:#?}", world.complaints());
    }
}
