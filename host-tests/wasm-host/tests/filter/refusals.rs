//! Requests that the filter answers itself.

use serde_json::{Value, json};
use wasm_host::{RequestBuilder, Stream, World};

use crate::support::{Gateway, Sent, Shared, builder, filter, ms, profile, s, unattainable, world};

/// A refusal has its status, its reason as a header, and with a message for people in an error of OpenAI's shape.
#[track_caller]
fn assert_refused(stream: &Stream, status: u16, reason: &str) {
    let response = stream.response().expect("it was answered");
    let text = String::from_utf8(response.body).unwrap();
    assert_eq!((response.status, response.headers.get("x-slo-router-reason")), (status, Some(reason)), "{text}");
    assert_eq!(response.headers.get("content-type"), Some("application/json"));
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["error"]["code"], reason);
    assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{text}");
    assert!(body["error"]["type"].is_string(), "{text}");
    assert_eq!(response.headers.get("retry-after").is_some(), status == 429, "{text}");
    assert!(response.complete && stream.is_ended() && stream.upstream_headers().is_none());
}

fn retry_after_s(stream: &Stream) -> u64 {
    stream.header("retry-after").and_then(|seconds| seconds.parse().ok()).expect("whole seconds")
}

fn post(world: &World, body: &[u8]) -> Stream {
    world.worker(0).request().to("POST", "/v1/chat/completions").body(body).send()
}

#[test]
fn what_makes_no_sense_is_400_and_an_unknown_model_404() {
    let mut config = filter(1, 4);
    config["allowed_strategies"] = json!(["slo", "slo-pack-load"]);
    let world = world(&config, 1);
    let with = |header: &str, value: &str| world.chat(0).header(header, value);
    let requests: [(RequestBuilder, u16, &str); 8] = [
        (with("routing-strategy", "fastest"), 400, "strategy_unknown"),
        (with("routing-strategy", "slo-least-load:1,random:2"), 400, "strategy_unknown"),
        (with("routing-strategy", "slo-attainment"), 400, "strategy_not_allowed"),
        (with("routing-strategy", "random"), 400, "strategy_not_allowed"),
        (with("x-slo-ttft-ms", "fast"), 400, "slo_header_malformed"),
        (with("x-slo-e2e-ms", "0"), 400, "slo_header_malformed"),
        (with("x-slo-tpot-ms", "nan"), 400, "slo_header_malformed"),
        (with("x-slo-e2e-base-ms", "5"), 400, "slo_header_malformed"),
    ];
    for (request, status, reason) in requests {
        assert_refused(&request.send(), status, reason);
    }
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    for body in [
        &b""[..],
        b"{",
        b"hello",
        b"[]",
        b"null",
        br#"{"model": 5, "messages": []}"#,
        b"{\"model\": \"m\xff\", \"messages\": []}",
        br#"{"model": "m", "messages": [], "max_tokens": "many"}"#,
        &deep,
    ] {
        assert_refused(&post(&world, body), 400, "body_invalid");
    }
    assert_refused(&post(&world, br#"{"model": "unknown", "messages": []}"#), 404, "model_not_found");
    assert!(with("routing-strategy", "slo-pack-load").send().is_running());
    assert_eq!(Shared(&world).in_flight(), 1);
}

#[test]
fn a_request_that_names_no_model_is_400_where_there_is_no_default() {
    let mut config = filter(1, 4);
    config.as_object_mut().unwrap().remove("default_model");
    let world = world(&config, 1);
    assert_refused(&post(&world, br#"{"messages": []}"#), 400, "model_missing");
}

#[test]
fn an_infeasible_request_is_503_where_so_configured() {
    let mut config = filter(1, 4);
    config["profiles"]["inline"] = json!([unattainable("default/a")]);
    assert!(world(&config, 1).ask(0).is_running(), "by default it is served");
    config["slo"]["infeasible"] = json!("reject");
    let world = world(&config, 1);
    assert_refused(&world.ask(0), 503, "slo_infeasible");
    world.assert_idle();
}

#[test]
fn infeasible_requests_are_served_after_the_others_and_one_at_a_time() {
    let mut config = filter(1, 4);
    let mut never = unattainable("default/a");
    never["model"] = json!("never");
    config["models"] = json!({ "m": {}, "never": {} });
    config["profiles"]["inline"].as_array_mut().unwrap().push(never);
    config["pods"]["static"][0]["models"] = json!(["m", "never"]);
    let world = world(&config, 1);
    let runs = world.ask(0);
    let never = post(&world, br#"{"model": "never", "messages": []}"#);
    assert!(never.is_paused(), "it needs a whole pod");
    runs.finish();
    world.settle();
    assert!(never.is_running() && world.ask(0).is_paused());
    assert_eq!(world.count("infeasible_total", ""), 1);
}

#[test]
fn a_full_queue_is_429_over_all_workers() {
    let mut config = filter(1, 1);
    config["queue"] = json!({ "max_requests": 3 });
    let world = world(&config, 3);
    let runs = world.ask(0);
    let waits = [world.ask(0), world.ask(1), world.ask(2)];
    for worker in 0..3 {
        assert_refused(&world.ask(worker), 429, "queue_full");
    }
    waits[1].client_reset();
    assert!(world.ask(0).is_paused(), "one has left");
    assert_refused(&world.ask(1), 429, "queue_full");
    runs.finish();
    world.settle();
    assert!(world.ask(1).is_paused(), "one was placed");
}

#[test]
fn one_more_urgent_than_all_that_wait_is_refused_too_where_the_queue_is_full() {
    let mut config = filter(1, 1);
    config["queue"] = json!({ "max_requests": 1 });
    let world = world(&config, 1);
    let (_runs, waits) = (world.ask(0), world.ask(0));
    assert_refused(&world.ask_within(0, 5_000), 429, "queue_full");
    assert!(waits.is_paused());
}

/// Envoy ignores what a callback returns in which a reply was sent, to whichever stream.
#[test]
fn a_request_that_comes_when_another_has_waited_too_long_goes_on() {
    let mut config = filter(2, 1);
    config["queue"] = json!({ "max_wait": "1900ms" });
    let mut other = profile("default/a", 1);
    other["model"] = json!("other");
    config["profiles"]["inline"].as_array_mut().unwrap().push(other);
    config["pods"]["static"][1]["models"] = json!(["other"]);
    let world = builder(&config).timing(|timing| timing.tick_lag = ms(490)).build().unwrap();
    let (runs, waits) = (world.ask(0), world.ask(0));
    world.advance(ms(1_950));
    assert!(waits.is_paused(), "it is refused on the next tick");
    let comes = post(&world, br#"{"model": "other", "messages": []}"#);
    assert!(comes.is_running());
    world.advance(ms(500));
    assert_refused(&waits, 429, "waited_too_long");
    [runs, comes].iter().for_each(Sent::finish);
    world.assert_idle();
}

#[test]
fn waiting_longer_than_may_be_is_429() {
    let mut config = filter(1, 1);
    config["queue"] = json!({ "max_wait": "2s" });
    let world = world(&config, 2);
    let runs = world.ask(0);
    let waits = [world.ask(0), world.ask(1)];
    world.advance(ms(1_990));
    assert!(waits.iter().all(Stream::is_paused));
    world.advance(ms(30));
    waits.iter().for_each(|stream| assert_refused(stream, 429, "waited_too_long"));
    runs.finish();
    world.assert_idle();
}

#[test]
fn late_is_429_where_so_configured() {
    let mut config = filter(1, 1);
    config["queue"] = json!({ "late": "reject" });
    let world = world(&config, 2);
    let runs = world.ask(0);
    // Each takes a second once it runs.
    let (late_at_once, late_later) = (world.ask_within(1, 900), world.ask_within(1, 3_000));
    world.advance(ms(15));
    assert_refused(&late_at_once, 429, "slo_late");
    world.advance(ms(1_970));
    assert!(late_later.is_paused());
    world.advance(ms(30));
    assert_refused(&late_later, 429, "slo_late");
    runs.finish();
    world.assert_idle();
}

#[test]
fn retry_after_grows_with_the_load_ahead() {
    let mut config = filter(2, 1);
    config["queue"] = json!({ "max_requests": 100, "max_wait": "30s" });
    for waiting in [1, 10, 20, 40, 100] {
        config["queue"]["max_requests"] = waiting.into();
        let world = world(&config, 4);
        let _streams: Vec<Stream> = (0..2 + waiting).map(|index| world.ask(index % 4)).collect();
        let refused = world.ask(0);
        assert_refused(&refused, 429, "queue_full");
        let seconds = retry_after_s(&refused);
        // Two pods work off one a second each; clients are told so much to twice that, at random, of 3 s at least.
        let expected = (waiting as u64 / 2).clamp(1, 30);
        assert!((expected..=expected + expected.max(3) + 1).contains(&seconds), "{waiting} ahead: {seconds} s");
    }
}

#[test]
fn a_refusal_touches_no_pod_and_no_ledger() {
    let world = world(&filter(1, 1), 2);
    for worker in [0, 1, 0, 1] {
        assert_refused(&world.chat(worker).header("routing-strategy", "x").send(), 400, "strategy_unknown");
        assert_refused(&post(&world, b"x"), 400, "body_invalid");
    }
    assert_eq!(Shared(&world).in_flight(), 0);
    assert_eq!(world.count("refused_total", "_reason=strategy-unknown_"), 4);
    world.advance(s(1));
    assert_eq!(world.complaints(), Vec::<String>::new());
}
