mod endings;
mod intake;
mod prefixes;
mod proxy;
mod redis;
mod replicas;
mod stored_responses;

use std::time::Duration;

use serde_json::{Value, json};

use self::proxy::Gateway;
use super::Next;

const CHAT: &str = "/v1/chat/completions";
const POD: &str = "x-gateway-destination-endpoint";

/// One pod that takes one request at a time; a class of its own by a header, and one by its model.
fn gateway() -> Gateway {
    Gateway::new(&json!({
        "pool": "test",
        "policy": "least-request",
        "allowed_strategies": ["random"],
        "capacity": { "default_concurrency": 1 },
        "classes": [
            { "name": "paid", "header": { "name": "x-plan", "value": "paid" }, "slo": { "e2e": "10s" } },
            { "name": "batch", "model": "batch" }
        ],
        "pods": { "static": [{ "address": "10.0.0.1:8000", "deployment": "default/a" }] }
    }))
}

fn chat(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "hello" }] })
}

fn answer() -> Value {
    let choice = json!({ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "hi" } });
    json!({ "choices": [choice], "usage": { "prompt_tokens": 9, "completion_tokens": 3 } })
}

#[test]
fn a_request_is_sent_to_a_pod_and_its_end_is_counted_by_class() {
    let gateway = gateway();
    assert_eq!(gateway.send(2, CHAT, &[("x-plan", "paid")], &chat("m")), Next::Go);
    gateway.stream(2, |stream| assert_eq!(stream.request[POD], "10.0.0.1:8000"));
    gateway.advance(Duration::from_secs(1));
    gateway.answer(2, 200, &answer());
    gateway.stream(2, |stream| assert_eq!(stream.response["x-slo-router-policy"], "least-request"));
    gateway.tick();
    let ended = "slo_router.requests_total_pool=test__class=paid__policy=least-request__outcome=kept_";
    assert_eq!(gateway.metric(ended), 1);
}

#[test]
fn a_request_that_finds_no_room_waits_for_the_end_of_another() {
    let gateway = gateway();
    gateway.send(2, CHAT, &[], &chat("m"));
    assert_eq!(gateway.send(3, CHAT, &[], &chat("m")), Next::Wait);
    gateway.tick();
    assert!(!gateway.stream(3, |stream| stream.resumed));
    gateway.answer(2, 200, &answer());
    gateway.tick();
    assert!(gateway.stream(3, |stream| stream.resumed));
    gateway.stream(3, |stream| assert_eq!(stream.request[POD], "10.0.0.1:8000"));
}

#[test]
fn what_a_client_sends_does_not_choose_its_pod() {
    let gateway = gateway();
    gateway.send(2, CHAT, &[], &chat("m"));
    assert_eq!(gateway.send(3, CHAT, &[(POD, "10.9.9.9:1")], &chat("m")), Next::Wait);
    gateway.stream(3, |stream| assert!(!stream.request.contains_key(POD)));
}

#[test]
fn what_cannot_be_understood_is_refused_with_the_reason() {
    let gateway = gateway();
    let refused = |id, headers: &[(&str, &str)], body: &Value| {
        assert_eq!(gateway.send(id, CHAT, headers, body), Next::Wait);
        gateway.stream(id, |stream| stream.reply.clone()).map(|(_, body)| body["error"]["code"].clone())
    };
    assert_eq!(refused(2, &[], &json!({ "messages": [] })), Some(json!("model_missing")));
    assert_eq!(refused(3, &[("routing-strategy", "slo")], &chat("m")), Some(json!("strategy_not_allowed")));
    assert_eq!(refused(4, &[("x-slo-ttft-ms", "soon")], &chat("m")), Some(json!("slo_header_malformed")));
}

#[test]
fn a_class_by_model_is_that_of_the_body() {
    let gateway = gateway();
    gateway.send(2, CHAT, &[], &chat("batch"));
    gateway.answer(2, 500, &json!({ "error": { "message": "out of memory" } }));
    gateway.tick();
    let ended = "slo_router.requests_total_pool=test__class=batch__policy=least-request__outcome=failed_";
    assert_eq!(gateway.metric(ended), 1);
}

#[test]
fn headers_are_read_as_they_are_written() {
    use super::headers::Headers;
    let headers = Headers::decode(Headers::encode(&[("a", "1"), ("b", ""), ("a", "2")]));
    assert_eq!(
        (headers.get("a").as_deref(), headers.get("b").as_deref(), headers.get("c")),
        (Some("1"), Some(""), None)
    );
    assert_eq!(headers.names().collect::<Vec<_>>(), ["a", "b", "a"]);
}
