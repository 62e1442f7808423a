//! Facts that a request is placed by: its class, its objective and its lengths.

use std::time::Duration;

use serde_json::{Value, json};

use super::proxy::Gateway;
use super::{CHAT, answer, chat};

const PAID: (&str, &str) = ("x-plan", "paid");
/// Output tokens that are expected while nothing is known.
const COLD_TOKENS: u32 = 256;

/// Pods without a limit, and an objective of each kind that a configuration may state.
fn gateway() -> Gateway {
    Gateway::new(&json!({
        "pool": "test",
        "policy": "least-request",
        "classes": [
            { "name": "paid-batch", "header": { "name": "x-plan", "value": "paid" }, "model": "batch" },
            { "name": "paid", "header": { "name": "x-plan", "value": "paid" }, "slo": { "e2e": "2s" } },
            { "name": "batch", "model": "batch" }
        ],
        "models": { "m": { "slo": { "e2e": "3s" } } },
        "slo": { "default": { "e2e": "4s" } },
        "pods": { "static": [{ "address": "10.0.0.1:8000", "deployment": "default/a" }] }
    }))
}

#[test]
fn the_objective_of_the_headers_goes_before_that_of_the_class_then_the_model_then_the_default() {
    let gateway = gateway();
    let e2e = |id, headers: &[(&str, &str)], model: &str| {
        gateway.send(id, CHAT, headers, &chat(model));
        gateway.placement(id).slo.unwrap().e2e
    };
    let own = ("x-slo-e2e-ms", "1000");
    let objectives =
        [e2e(2, &[own, PAID], "m"), e2e(3, &[PAID], "m"), e2e(4, &[], "m"), e2e(5, &[], "of-no-objective")];
    assert_eq!(objectives, [1, 2, 3, 4].map(|seconds| Some(Duration::from_secs(seconds))));
}

#[test]
fn the_first_class_that_matches_by_all_that_it_names_is_that_of_a_request() {
    let gateway = gateway();
    let class = |id, headers: &[(&str, &str)], model: &str| {
        gateway.send(id, CHAT, headers, &chat(model));
        gateway.facts(id).class
    };
    let classes = [class(2, &[PAID], "batch"), class(3, &[PAID], "m"), class(4, &[], "batch"), class(5, &[], "m")];
    assert_eq!(classes, [Some(0), Some(1), Some(2), None]);
}

#[test]
fn an_answer_is_expected_to_keep_to_its_limit_and_each_choice_to_be_as_long() {
    let gateway = gateway();
    let expected = |id, path: &str, fields: Value| {
        let mut body = chat("m");
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        gateway.send(id, path, &[], &body);
        gateway.facts(id).shape.output_tokens
    };
    assert_eq!(expected(2, CHAT, json!({})), COLD_TOKENS);
    assert_eq!(expected(3, CHAT, json!({ "max_tokens": 100_000 })), COLD_TOKENS);
    assert_eq!(expected(4, CHAT, json!({ "max_tokens": 5 })), 5);
    assert_eq!(expected(5, CHAT, json!({ "max_tokens": 5, "n": 3 })), 15);
    assert_eq!(expected(6, CHAT, json!({ "n": 3 })), 3 * COLD_TOKENS);
    assert_eq!(expected(7, "/v1/completions", json!({ "prompt": ["a", "b"], "max_tokens": 5, "n": 2 })), 20);
    assert_eq!(expected(8, "/v1/embeddings", json!({ "input": "a" })), 0);
}

#[test]
fn a_model_has_a_history_of_its_own_once_a_pod_has_answered_it() {
    let gateway = gateway();
    let label = |id| {
        gateway.send(id, CHAT, &[], &chat("made-up"));
        gateway.facts(id).label.name().to_owned()
    };
    assert_eq!(label(2), "new");
    gateway.answer(2, 400, &json!({ "error": { "message": "no such model" } }));
    assert_eq!(label(3), "new", "a refusal teaches nothing");
    assert_eq!(label(4), "new");
    gateway.answer(3, 200, &answer());
    assert_eq!(gateway.facts(4).label.name(), "made-up", "what runs counts under the new name at once");
    assert_eq!(label(5), "made-up");
}

#[test]
fn only_so_many_models_have_a_history_of_their_own() {
    const MOST_MODELS: u32 = 256;
    let gateway = gateway();
    let label = |id, model: u32| {
        gateway.send(id, CHAT, &[], &chat(&format!("made-up-{model}")));
        gateway.facts(id).label.name().to_owned()
    };
    // The first of those for which there is no room takes another's place, and then none does for
    // a second.
    for model in 0..=MOST_MODELS + 1 {
        label(model, model);
        gateway.answer(model, 200, &answer());
    }
    assert_eq!(label(1_000, MOST_MODELS - 1), "made-up-255");
    assert_eq!(label(1_001, MOST_MODELS), "made-up-256");
    assert_eq!(label(1_002, MOST_MODELS + 1), "new");
}
