//! Requests that go on from a stored response: they go to the pod that has it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::proxy::Gateway;
use super::{Next, POD};

const RESPONSES: &str = "/v1/responses";
const POLICIES: [&str; 8] = [
    "slo-attainment",
    "lmetric",
    "least-request",
    "random",
    "slo",
    "slo-pack-load",
    "slo-least-load",
    "slo-least-load-pulling",
];

/// Three pods, of which the last serves a model of its own, too; each takes four requests.
fn gateway(policy: &str, prefix: &str) -> Gateway {
    let pods = [("10.0.0.1:8000", vec!["m"]), ("10.0.0.2:8000", vec!["m"]), ("10.0.0.3:8000", vec!["m", "own"])];
    let pods = pods.map(|(pod, models)| json!({ "address": pod, "deployment": "default/a", "models": models }));
    Gateway::new(&json!({
        "pool": "test",
        "policy": policy,
        "prefix": prefix,
        "capacity": { "default_concurrency": 4 },
        "pods": { "static": pods },
    }))
}

fn ask(model: &str, previous: Option<&str>) -> Value {
    json!({ "model": model, "input": "hello", "previous_response_id": previous })
}

fn response(id: &str) -> Value {
    let usage = json!({ "input_tokens": 9, "output_tokens": 3 });
    json!({ "id": id, "object": "response", "status": "completed", "output": [], "usage": usage })
}

fn pod_of(gateway: &Gateway, id: u32) -> String {
    gateway.stream(id, |stream| stream.request[POD].clone())
}

/// Has a pod give a response with this id. Returns the pod.
fn give(gateway: &Gateway, id: u32, model: &str, response_id: &str) -> String {
    assert_eq!(gateway.send(id, RESPONSES, &[], &ask(model, None)), Next::Go);
    let pod = pod_of(gateway, id);
    gateway.answer(id, 200, &response(response_id));
    pod
}

/// The pods to which a dozen requests go, one after the other, that go on from this response.
fn pods_of_dozen(gateway: &Gateway, previous: &str) -> BTreeSet<String> {
    let pods = (1_000..1_012).map(|id| {
        assert_eq!(gateway.send(id, RESPONSES, &[], &ask("m", Some(previous))), Next::Go);
        let pod = pod_of(gateway, id);
        gateway.answer(id, 200, &response(&format!("resp_of_{id}")));
        pod
    });
    pods.collect()
}

#[test]
fn what_goes_on_from_a_response_goes_to_its_pod_by_every_policy() {
    for policy in POLICIES {
        for prefix in ["route", "learn"] {
            let gateway = gateway(policy, prefix);
            for turn in 0..6 {
                let previous = format!("resp_{turn}");
                let pod = give(&gateway, 2 + turn, "m", &previous);
                assert_eq!(pods_of_dozen(&gateway, &previous), BTreeSet::from([pod]), "{policy}, {prefix}");
            }
        }
    }
}

#[test]
fn it_waits_for_room_there_as_any_request_does() {
    let gateway = gateway("least-request", "route");
    let pod = give(&gateway, 2, "m", "resp_1");
    for id in 10..14 {
        assert_eq!(gateway.send(id, RESPONSES, &[], &ask("m", Some("resp_1"))), Next::Go);
    }
    assert_eq!(gateway.send(20, RESPONSES, &[], &ask("m", Some("resp_1"))), Next::Wait);
    assert_eq!(gateway.send(21, RESPONSES, &[], &ask("m", None)), Next::Go, "others have room");
    gateway.answer(10, 200, &response("resp_2"));
    gateway.tick();
    assert!(gateway.stream(20, |stream| stream.resumed));
    assert_eq!(pod_of(&gateway, 20), pod);
}

#[test]
fn the_id_in_a_stream_counts_before_its_event_has_passed() {
    let gateway = gateway("random", "route");
    gateway.send(2, RESPONSES, &[], &ask("m", None));
    let created = json!({ "type": "response.created", "response": response("resp_1") });
    gateway.respond(2, 200, &[("content-type", "text/event-stream")], &format!("data: {created}\n\n"), false);
    assert_eq!(pods_of_dozen(&gateway, "resp_1"), BTreeSet::from([pod_of(&gateway, 2)]));
}

#[test]
fn an_id_that_no_pod_gave_changes_nothing() {
    for prefix in ["route", "off"] {
        let gateway = gateway("random", prefix);
        give(&gateway, 2, "m", "resp_1");
        for unknown in ["resp_2", "resp_", "", "10.0.0.1:8000", &"x".repeat(5_000), "resp_1\u{0}", "résp"] {
            assert!(pods_of_dozen(&gateway, unknown).len() > 1, "{unknown:?}");
        }
    }
}

#[test]
fn where_prefixes_are_off_it_goes_anywhere() {
    let gateway = gateway("random", "off");
    give(&gateway, 2, "m", "resp_1");
    assert!(pods_of_dozen(&gateway, "resp_1").len() > 1);
}

#[test]
fn where_its_pod_does_not_serve_the_model_it_goes_to_one_that_does() {
    let gateway = gateway("random", "route");
    let given = (0..20).map(|turn| (turn, give(&gateway, 100 + turn, "m", &format!("resp_{turn}"))));
    let elsewhere = given.into_iter().find(|(_, pod)| pod != "10.0.0.3:8000").unwrap();
    gateway.send(2, RESPONSES, &[], &ask("own", Some(&format!("resp_{}", elsewhere.0))));
    assert_eq!(pod_of(&gateway, 2), "10.0.0.3:8000");
}

#[test]
fn a_pod_that_is_gone_is_not_waited_for() {
    let before = gateway("random", "route");
    let given: Vec<String> = (0..20).map(|turn| give(&before, 100 + turn, "m", &format!("resp_{turn}"))).collect();
    let gone = given.iter().position(|pod| pod == "10.0.0.3:8000").unwrap();
    // The same workers' shared data, with a configuration that has fewer pods.
    let pods = ["10.0.0.1:8000", "10.0.0.2:8000"].map(|pod| json!({ "address": pod, "deployment": "default/a" }));
    let after = before.configured(&json!({ "pool": "test", "policy": "random", "pods": { "static": pods } }));
    assert_eq!(pods_of_dozen(&after, &format!("resp_{gone}")).len(), 2);
    let there = given.iter().position(|pod| pod == "10.0.0.1:8000").unwrap();
    assert_eq!(pods_of_dozen(&after, &format!("resp_{there}")), BTreeSet::from(["10.0.0.1:8000".to_owned()]));
}

#[test]
fn every_worker_knows_it_at_once() {
    for policy in POLICIES {
        let first = gateway(policy, "route");
        let other = first.worker();
        for turn in 0..6 {
            let previous = format!("resp_{turn}");
            let pod = give(&first, 2 + turn, "m", &previous);
            assert_eq!(pods_of_dozen(&other, &previous), BTreeSet::from([pod]), "{policy}");
        }
    }
}

#[test]
fn a_response_that_a_server_has_not_got_is_not_for_want_of_its_model() {
    let gateway = gateway("random", "route");
    for id in 100..130 {
        gateway.send(id, RESPONSES, &[], &ask("m", Some("resp_1")));
        let error = json!({ "message": "Response with id 'resp_1' not found.", "param": "response_id", "code": 404 });
        gateway.answer(id, 404, &json!({ "error": error }));
    }
    assert_eq!(pods_of_dozen(&gateway, "resp_1").len(), 3);
}
