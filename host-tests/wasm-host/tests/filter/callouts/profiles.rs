//! Profiles: what is good is taken by all, what is not changes nothing.

use serde_json::{Value, json};
use wasm_host::{CallAnswer, CallReply, Event, Retire, Stream, Thread, What, World};

use super::{answer, fetched, good, pod_list, room, served, source, with_pods, with_profiles};
use crate::support::{DEPLOYMENT, Gateway, Sent, all_leave, builder, document, ms, on_pods, profile, s, unattainable};

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
        let answered = |event: &&Event| event.what == What::Callback("proxy_on_http_call_response");
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
    for (bad, kind, expected) in [
        (CallAnswer::Silence, "timeout", "504"),
        (CallAnswer::response(ms(5), 500, "{}"), "status", "status 500, expected 200"),
        (CallAnswer::response(ms(5), 404, "{}"), "not-found", "status 404, expected 200"),
        (CallAnswer::response(ms(5), 403, r#"{"message": "no"}"#), "forbidden", "status 403, expected 200: no"),
        (CallAnswer::response(ms(5), 410, "{}"), "gone", "status 410, expected 200"),
        (CallAnswer::Broken { after: ms(5) }, "no-answer", "no answer, and Envoy says why: upstream connect error"),
        (CallAnswer::response(ms(5), 503, "{}"), "status", "status 503, expected 200"),
        (CallAnswer::Reset { after: ms(5) }, "no-answer", "no answer"),
        (CallAnswer::NoHosts, "unsent", "could not be sent"),
        (CallAnswer::Response { after: ms(5), reply: html }, "invalid", "text/html"),
        (good(""), "empty", "empty"),
        (good(vec![b' '; 100 << 20]), "too-large", "the answer has 104857600 bytes"),
        (good("not JSON"), "invalid", "expected"),
        (good(vec![0xff; 100]), "invalid", "expected"),
        (good(r#"{"profiles": {}}"#), "invalid", "expected"),
        (good(document(&[bad_profile])), "invalid", "profiles[0].profile"),
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
        let labels = format!("_source=profiles__reason={kind}_");
        assert!(world.count("source_errors_total", &labels) >= 10, "{expected}");
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
    world.worker(0).kill();
    assert_eq!(room(&world, 0), 6, "in a VM that never saw the good one");
    world.assert_idle();
}

/// Two pods with room for two requests each, by sources that answered once and are away now; and the configuration.
fn with_sources_away() -> (World, Value) {
    let mut config = with_pods();
    config["profiles"] = json!({ "correct": false, "http": source("profiles") });
    let (profiles, pods) = (answer(good(document(&[profile(DEPLOYMENT, 2)]))), answer(good(pod_list(&[0, 1]))));
    let world = served(served(builder(&config), "profiles", &profiles), "pods", &pods).build().unwrap();
    world.advance(s(2));
    for cluster in [profiles, pods] {
        *cluster.borrow_mut() = CallAnswer::NoHosts;
    }
    (world, config)
}

#[test]
fn the_last_good_profiles_and_pods_are_there_for_the_first_request_of_a_reloaded_vm() {
    let (world, _) = with_sources_away();
    world.advance(s(2));
    world.worker(0).kill();
    assert_eq!(room(&world, 0), 4);
    world.assert_idle();
    // It settles at the slow pace of a VM in which nothing waits.
    world.clear_history();
    world.advance(s(2));
    let is_tick = |event: &Event| event.thread == Thread::Worker(0) && event.what == What::Callback("proxy_on_tick");
    assert!(world.events().into_iter().filter(is_tick).count() <= 8);
}

#[test]
fn an_update_that_keeps_its_sources_has_their_documents_at_once() {
    let (world, mut config) = with_sources_away();
    config["queue"] = json!({ "max_requests": 1_000 });
    world.update(config.to_string(), Retire::AfterLastStream).unwrap();
    assert_eq!(room(&world, 0), 4);
    world.assert_idle();
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
fn what_a_new_profile_shows_to_be_infeasible_is_refused_where_so_configured() {
    for (infeasible, expected) in [("reject", Some("slo_infeasible")), ("serve", None)] {
        let mut config = with_profiles();
        config["slo"]["infeasible"] = json!(infeasible);
        let cluster = answer(good(document(&[profile(DEPLOYMENT, 1)])));
        let world = served(builder(&config).workers(2), "profiles", &cluster).build().unwrap();
        world.advance(ms(600));
        let streams: Vec<Stream> = (0..8).map(|index| world.ask(index % 2)).collect();
        *cluster.borrow_mut() = good(document(&[unattainable(DEPLOYMENT)]));
        world.advance(ms(1_400));
        let waited: Vec<_> = streams.iter().filter(|stream| !stream.is_running()).collect();
        assert_eq!(waited.len(), 6);
        for stream in waited {
            assert_eq!(stream.header("x-slo-router-reason").as_deref(), expected);
        }
        all_leave(&streams);
        world.assert_idle();
    }
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
        let on_pods = on_pods(&streams);
        let fullest = on_pods.iter().max_by_key(|(_, count)| **count).unwrap().0;
        let of = |stream: &&Stream| stream.is_running() && stream.pod().as_ref() == Some(fullest);
        streams.iter().find(of).unwrap().finish();
        world.settle();
        assert_eq!(running(), expected);
    }
    world.assert_idle();
}
