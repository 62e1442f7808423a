//! Ends of requests: what is counted of each, and what becomes of its pod.

use std::time::Duration;

use serde_json::json;

use super::proxy::Gateway;
use super::{CHAT, Next, answer, chat, gateway};

const STREAM: (&str, &str) = ("content-type", "text/event-stream");
const TOKEN: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const OUTCOMES: [&str; 6] = ["kept", "missed", "no-objective", "failed", "client-error", "abandoned"];
/// Envoy's response flag DC: the client's connection broke.
const CLIENT_LEFT: u64 = 0x4000;

/// Returns the outcome under which the only request was counted that has ended.
fn outcome(gateway: &Gateway) -> &'static str {
    gateway.tick();
    let count = |outcome: &str| {
        let name = |class| {
            format!("slo_router.requests_total_pool=test__class={class}__policy=least-request__outcome={outcome}_")
        };
        ["default", "paid"].into_iter().map(|class| gateway.metric(&name(class))).sum::<u64>()
    };
    let counted: Vec<_> = OUTCOMES.into_iter().filter(|outcome| count(outcome) > 0).collect();
    assert_eq!((counted.len(), OUTCOMES.map(count).iter().sum()), (1, 1), "{counted:?}");
    counted[0]
}

#[test]
fn a_status_tells_whose_fault_it_is() {
    let of_status = |status| {
        let gateway = gateway();
        gateway.send(2, CHAT, &[], &chat("m"));
        gateway.answer(2, status, &json!({ "error": { "message": "no" } }));
        outcome(&gateway)
    };
    for (status, expected) in [
        (400, "client-error"),
        (404, "client-error"),
        (429, "client-error"),
        (500, "failed"),
        (501, "client-error"),
        (503, "failed"),
        (529, "failed"),
    ] {
        assert_eq!(of_status(status), expected, "{status}");
    }
}

#[test]
fn an_answer_keeps_its_objective_or_misses_it() {
    let after = |headers: &[(&str, &str)], time| {
        let gateway = gateway();
        gateway.send(2, CHAT, headers, &chat("m"));
        gateway.advance(time);
        gateway.answer(2, 200, &answer());
        outcome(&gateway)
    };
    let paid: &[(&str, &str)] = &[("x-plan", "paid")];
    assert_eq!(after(paid, Duration::from_secs(10)), "kept");
    assert_eq!(after(paid, Duration::from_millis(10_001)), "missed");
    assert_eq!(after(&[], Duration::from_secs(60)), "no-objective");
}

#[test]
fn a_stream_counts_if_it_came_to_its_end() {
    let of_stream = |text: &str, is_last, flags| {
        let gateway = gateway();
        gateway.send(2, CHAT, &[], &chat("m"));
        gateway.respond(2, 200, &[STREAM], text, is_last);
        gateway.stream(2, |stream| stream.flags = flags);
        gateway.end(2);
        outcome(&gateway)
    };
    assert_eq!(of_stream(&[TOKEN, DONE].concat(), true, 0), "no-objective");
    assert_eq!(of_stream(TOKEN, false, 0), "failed", "it broke off");
    assert_eq!(of_stream("", true, 0), "failed", "it ended without a word");
    assert_eq!(of_stream(TOKEN, false, CLIENT_LEFT), "abandoned");
    assert_eq!(of_stream("data: {\"error\":{\"code\":400,\"message\":\"no\"}}\n\n", true, 0), "client-error");
}

#[test]
fn a_client_that_leaves_makes_room_for_another() {
    let gateway = gateway();
    assert_eq!(gateway.send(2, CHAT, &[], &chat("m")), Next::Go);
    gateway.end(2);
    assert_eq!(outcome(&gateway), "abandoned");
    assert_eq!(gateway.send(3, CHAT, &[], &chat("m")), Next::Go);
}

#[test]
fn a_client_that_leaves_while_it_waits_is_not_counted_and_is_sent_nowhere() {
    let gateway = gateway();
    gateway.send(2, CHAT, &[], &chat("m"));
    assert_eq!(gateway.send(3, CHAT, &[], &chat("m")), Next::Wait);
    gateway.end(3);
    gateway.answer(2, 200, &answer());
    assert_eq!(outcome(&gateway), "no-objective");
    assert!(!gateway.stream(3, |stream| stream.resumed));
}

#[test]
fn a_pod_that_says_that_it_is_full_gets_nothing_for_as_long_as_it_says() {
    let pods = ["10.0.0.1:8000", "10.0.0.2:8000"].map(|pod| json!({ "address": pod, "deployment": "default/a" }));
    let gateway = Gateway::new(&json!({
        "pool": "test",
        "policy": "least-request",
        "capacity": { "default_concurrency": 1 },
        "pods": { "static": pods }
    }));
    gateway.send(2, CHAT, &[], &chat("m"));
    gateway.respond(2, 429, &[("retry-after", "3")], "", true);
    gateway.end(2);
    assert_eq!(gateway.send(3, CHAT, &[], &chat("m")), Next::Go, "the other pod is free");
    assert_eq!(gateway.send(4, CHAT, &[], &chat("m")), Next::Wait);
    gateway.advance(Duration::from_millis(2_900));
    gateway.tick();
    assert!(!gateway.stream(4, |stream| stream.resumed));
    gateway.advance(Duration::from_millis(100));
    gateway.tick();
    assert!(gateway.stream(4, |stream| stream.resumed));
}
