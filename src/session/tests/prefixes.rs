//! Prompts that begin like others: where they go, and what is counted of caches.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::proxy::Gateway;
use super::{CHAT, POD};

/// Turns of a conversation that is asked about so many words each time.
const TURNS: usize = 4;
const WORDS: usize = 400;
/// The request that shows that servers cache, and the tokens that it finds.
const FIRST: u32 = 100_000;
const SHOWN: u64 = 16;

fn gateway(prefix: &str) -> Gateway {
    let pods = ["10.0.0.1:8000", "10.0.0.2:8000"].map(|pod| json!({ "address": pod, "deployment": "default/a" }));
    let config = json!({ "pool": "test", "policy": "lmetric", "prefix": prefix, "pods": { "static": pods } });
    let gateway = Gateway::new(&config);
    show_caches(&gateway);
    gateway
}

/// Has a server tell that it found something in its cache: before, none is taken to have one.
fn show_caches(gateway: &Gateway) {
    gateway.send(FIRST, CHAT, &[("x-gateway-model-name", "m")], &turn(1_000, 0));
    gateway.answer(FIRST, 200, &answer(1_000, SHOWN));
    gateway.tick();
}

/// A conversation's body at one of its turns, before which all was said that the turns before it
/// had.
fn turn(conversation: usize, turn: usize) -> Value {
    let said = |turn: usize| format!("{conversation} {turn} ").repeat(WORDS);
    let messages: Vec<Value> = (0..=turn)
        .flat_map(|turn| {
            [json!({ "role": "user", "content": said(turn) }), json!({ "role": "assistant", "content": "yes" })]
        })
        .take(2 * turn + 1)
        .collect();
    json!({ "model": "m", "messages": messages })
}

fn answer(prompt_tokens: u64, cached_tokens: u64) -> Value {
    let choice = json!({ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "yes" } });
    let details = json!({ "cached_tokens": cached_tokens });
    let usage = json!({ "prompt_tokens": prompt_tokens, "completion_tokens": 3, "prompt_tokens_details": details });
    json!({ "choices": [choice], "usage": usage })
}

/// Lets some conversations take turns, each told to have found all that was said before. Returns
/// the pods of each.
fn converse(gateway: &Gateway, conversations: usize) -> Vec<Vec<String>> {
    let mut pods = vec![Vec::new(); conversations];
    let mut id = 1;
    for round in 0..TURNS {
        for (conversation, pods) in pods.iter_mut().enumerate() {
            id += 1;
            gateway.send(id, CHAT, &[], &turn(conversation, round));
            pods.push(gateway.stream(id, |stream| stream.request[POD].clone()));
            let tokens = |turns: usize| 1_000 * turns as u64;
            gateway.answer(id, 200, &answer(tokens(round + 1), tokens(round)));
        }
    }
    pods
}

fn count(gateway: &Gateway, metric: &str) -> u64 {
    gateway.tick();
    gateway.metric(&format!("slo_router.{metric}_total_pool=test_"))
}

#[test]
fn the_turns_of_a_conversation_go_to_the_pod_that_has_its_history() {
    let gateway = gateway("route");
    let pods = converse(&gateway, 20);
    assert!(pods.iter().all(|pods| pods.iter().all(|pod| *pod == pods[0])), "{pods:?}");
    let [prompts, available, expected, delivered] =
        ["prompt_tokens", "prefix_available_tokens", "prefix_expected_tokens", "prefix_delivered_tokens"]
            .map(|metric| count(&gateway, metric));
    assert_eq!(delivered, SHOWN + 20 * (1_000 + 2_000 + 3_000));
    assert_eq!(available, expected, "each went where most of it was");
    assert!(expected.abs_diff(delivered) * 5 < delivered, "{expected} of {delivered} tokens in {prompts}");
}

#[test]
fn where_it_is_only_learned_they_go_anywhere_and_it_is_counted() {
    let gateway = gateway("learn");
    let pods = converse(&gateway, 20);
    assert!(pods.iter().any(|pods| pods.iter().any(|pod| *pod != pods[0])), "{pods:?}");
    let [available, expected] =
        ["available", "expected"].map(|which| count(&gateway, &format!("prefix_{which}_tokens")));
    assert!(0 < expected && expected < available, "{expected} of {available}");
}

#[test]
fn where_it_is_off_nothing_is_expected() {
    let gateway = gateway("off");
    converse(&gateway, 5);
    assert_eq!(["available", "expected"].map(|which| count(&gateway, &format!("prefix_{which}_tokens"))), [0, 0]);
}

#[test]
fn where_bodies_are_not_read_the_turns_of_a_session_go_to_one_pod() {
    let pods = ["10.0.0.1:8000", "10.0.0.2:8000"].map(|pod| json!({ "address": pod, "deployment": "default/a" }));
    let gateway = Gateway::new(&json!({
        "pool": "test",
        "policy": "lmetric",
        "request": { "inspect": "headers", "session_header": "x-session-id" },
        "pods": { "static": pods }
    }));
    show_caches(&gateway);
    let mut pods = vec![Vec::new(); 20];
    for turn in 0..3 {
        for (session, pods) in pods.iter_mut().enumerate() {
            let id = 2 + 20 * turn + session as u32;
            let name = session.to_string();
            gateway.send(
                id,
                CHAT,
                &[("x-gateway-model-name", "m"), ("x-session-id", &name), ("content-length", "8000")],
                &json!({}),
            );
            pods.push(gateway.stream(id, |stream| stream.request[POD].clone()));
            gateway.answer(id, 200, &answer(1_000 * u64::from(turn + 1), 1_000 * u64::from(turn)));
        }
    }
    assert!(pods.iter().all(|pods| pods.iter().all(|pod| *pod == pods[0])), "{pods:?}");
    let homes: BTreeSet<&String> = pods.iter().map(|pods| &pods[0]).collect();
    assert_eq!(homes.len(), 2, "sessions are on both");
}

#[test]
fn what_another_worker_sent_somewhere_is_known() {
    // Two workers of one gateway share its data.
    let gateway = gateway("route");
    let other = gateway.worker();
    for conversation in 0..20 {
        gateway.send(2, CHAT, &[], &turn(conversation, 0));
        let pod = gateway.stream(2, |stream| stream.request[POD].clone());
        gateway.answer(2, 200, &answer(1_000, 0));
        gateway.tick();
        other.tick();
        other.send(3, CHAT, &[], &turn(conversation, 1));
        assert_eq!(other.stream(3, |stream| stream.request[POD].clone()), pod, "{conversation}");
        other.answer(3, 200, &answer(2_000, 1_000));
        other.tick();
    }
}

#[test]
fn what_many_workers_sent_somewhere_all_know_a_tick_later() {
    let first = gateway("route");
    let workers: Vec<Gateway> = (0..3).map(|_| first.worker()).collect();
    let workers: Vec<&Gateway> = std::iter::once(&first).chain(&workers).collect();
    let mut pods = vec![Vec::new(); 20];
    let mut id = 1;
    for round in 0..3 {
        for (conversation, pods) in pods.iter_mut().enumerate() {
            // Each turn comes to another worker.
            let worker = workers[(conversation + round) % workers.len()];
            id += 1;
            worker.send(id, CHAT, &[], &turn(conversation, round));
            pods.push(worker.stream(id, |stream| stream.request[POD].clone()));
            worker.advance(Duration::from_millis(1));
            worker.answer(id, 200, &answer(1_000 * (round as u64 + 1), 1_000 * round as u64));
            // What has ended is told by then, too: a pod that seems busy may be left for that.
            workers.iter().for_each(|worker| worker.tick());
        }
    }
    assert!(pods.iter().all(|pods| pods.iter().all(|pod| *pod == pods[0])), "{pods:?}");
}

#[test]
fn models_that_paths_name_have_caches_of_their_own() {
    let gateway = gateway("route");
    let send = |id: u32, model: &str| {
        let mut body = turn(0, 0);
        body.as_object_mut().unwrap().remove("model");
        gateway.send(id, &format!("/openai/deployments/{model}/chat/completions"), &[], &body);
        gateway.answer(id, 200, &answer(1_000, 0));
        count(&gateway, "prefix_available_tokens")
    };
    let available = [(1, "a"), (2, "b"), (3, "a")].map(|(id, model)| send(id, model));
    assert_eq!(available[..2], [0, 0]);
    assert!(available[2] > 300, "{available:?}");
}
