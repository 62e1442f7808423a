use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::sources::Document;

mod endpoints;

/// An API server: the answer to a path and query, whose values are decoded, with the media type
/// asked for.
type Server<'a> = &'a dyn Fn(&str, &BTreeMap<String, String>, &str) -> Value;

fn source(query: &Value) -> Result<KubernetesSource, String> {
    let mut document = json!({ "cluster": "api", "namespace": "prod" });
    document.as_object_mut().unwrap().extend(query.as_object().unwrap().clone());
    json::read(document.to_string().as_bytes()).map_err(|error| error.to_string())
}

fn fetch(query: &Value, server: Server<'_>) -> Result<Fetched<PodDocument>, FetchError> {
    let mut fetch = source(query).unwrap().fetch(None);
    for _ in 0..3_000 {
        let FetchRequest { path, accept, etag } = fetch.request();
        assert_eq!(etag, None);
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        let decoded = |text| percent_decode_str(text).decode_utf8().unwrap().into_owned();
        let query = query.map(|(key, value)| (key.to_owned(), decoded(value))).collect();
        if let FetchProgress::Done(fetched) = fetch.read(server(path, &query, accept).to_string().as_bytes())? {
            return Ok(fetched);
        }
    }
    panic!("it does not end")
}

fn found(fetched: &Fetched<PodDocument>) -> Vec<String> {
    fetched.document.pods.iter().map(|pod| format!("{} {} {:?}", pod.address, pod.deployment, pod.models)).collect()
}

fn list(kind: &str, version: &str, items: &[Value]) -> Value {
    json!({ "kind": kind, "apiVersion": version, "metadata": { "resourceVersion": "7" }, "items": items })
}

fn pod_list(items: &[Value]) -> Value {
    list("PodList", "v1", items)
}

fn metadata(name: &str, labels: &Value, owner: &Value) -> Value {
    json!({ "name": name, "namespace": "prod", "labels": labels, "ownerReferences": owner })
}

fn replica_set(name: &str) -> Value {
    json!([{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": "1", "controller": true }])
}

/// A ready pod of the deployment `a`.
fn pod(number: usize, labels: &Value) -> Value {
    json!({
        "metadata": metadata(&format!("a-6b4-{number}"), labels, &replica_set("a-6b4")),
        "spec": { "containers": [] },
        "status": {
            "podIP": format!("10.0.{}.{}", number >> 8, number & 255),
            "phase": "Running",
            "conditions": [{ "type": "Initialized", "status": "True" }, { "type": "Ready", "status": "True" }],
        },
    })
}

#[test]
fn pods_with_labels_are_taken_with_their_port_model_and_deployment() {
    let labels = json!({ "model.aibrix.ai/name": "llama", "model.aibrix.ai/port": "9000" });
    let fetched = fetch(&json!({ "selector": "app=llama,tier in (a, b)", "port": 8080 }), &|path, query, accept| {
        assert_eq!((path, accept), ("/api/v1/namespaces/prod/pods", "application/json"));
        assert_eq!((query["labelSelector"].as_str(), query["limit"].as_str()), ("app=llama,tier in (a, b)", "200"));
        pod_list(&[pod(2, &labels), pod(1, &json!(null))])
    });
    assert_eq!(found(&fetched.unwrap()), ["10.0.0.1:8080 prod/a []", "10.0.0.2:9000 prod/a [\"llama\"]"]);
}

#[test]
fn only_ready_pods_are_taken() {
    let change = |number, pointer: &str, value| {
        let mut pod = pod(number, &json!({}));
        *pod.pointer_mut(pointer).unwrap() = value;
        pod
    };
    let mut deleted = pod(6, &json!({}));
    deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let pods = [
        pod(1, &json!({})),
        change(2, "/status/conditions/1/status", json!("False")),
        change(3, "/status/conditions", json!(null)),
        change(4, "/status/podIP", json!(null)),
        change(5, "/status", json!({ "phase": "Pending" })),
        deleted,
    ];
    let fetched = fetch(&json!({ "selector": "app=llama" }), &|_, _, _| pod_list(&pods)).unwrap();
    assert_eq!(found(&fetched), ["10.0.0.1:8000 prod/a []"]);
    assert_eq!(fetched.complaints, Vec::<String>::new());
}

#[test]
fn owners_of_which_each_pod_has_one_of_its_own_are_told_of() {
    let lone = |number, kind: &str, name: &str| {
        let mut pod = pod(number, &json!({}));
        pod["metadata"]["ownerReferences"] = json!([{ "kind": kind, "name": name, "controller": true }]);
        pod
    };
    let complaints = |pods: &[Value]| {
        let query = json!({ "selector": "app=llama", "deployment_label": "gpu" });
        fetch(&query, &|_, _, _| pod_list(pods)).unwrap().complaints
    };
    let said = complaints(&[lone(1, "ModelPod", "llama-one"), lone(2, "ModelPod", "llama-two")]);
    let expected = "each of 2 pods has an owner ModelPod of its own (such as \"llama-one\"), and so a deployment of its own: if \
                    they are one, name it by a label (`deployment_label`)";
    assert_eq!(said, [expected]);
    for pods in [
        vec![lone(1, "ModelPod", "llama-one")],
        vec![lone(1, "ModelPod", "a"), lone(2, "ModelPod", "a"), lone(3, "ModelPod", "b")],
        vec![lone(1, "RoleSet", "llama-x7k2p"), lone(2, "RoleSet", "llama-4bz9d")],
        vec![lone(1, "StatefulSet", "llama-a10"), lone(2, "StatefulSet", "llama-l20")],
    ] {
        assert_eq!(complaints(&pods), Vec::<String>::new());
    }
}

#[test]
fn a_deployment_is_known_by_a_label_or_by_the_owner() {
    let owner = |kind: &str, name: &str| json!([{ "kind": kind, "name": name, "uid": "1", "controller": true }]);
    let hash = json!({ "pod-template-hash": "754558b67c" });
    for (labels, owners, expected) in [
        (hash.clone(), owner("ReplicaSet", "mock-llama2-7b-754558b67c"), "prod/mock-llama2-7b"),
        (json!({}), owner("ReplicaSet", "mock-llama2-7b-754558b67c"), "prod/mock-llama2-7b"),
        (json!({ "gpu": "a10" }), owner("ReplicaSet", "mock-754558b67c"), "prod/a10"),
        (json!({ "gpu": "" }), owner("StatefulSet", "llama"), "prod/llama"),
        (json!(null), owner("LeaderWorkerSet", "llama-lws"), "prod/llama-lws"),
        (
            json!({}),
            owner("RayCluster", "qwen-coder-7b-instruct-by-owner-77d9bbd669-s68dw"),
            "prod/qwen-coder-7b-instruct-by-owner",
        ),
        (json!({}), owner("RayCluster", "my-ray"), "prod/my-ray"),
        (json!({}), owner("RayCluster", "qwen-large"), "prod/qwen-large"),
        (json!({}), owner("RayCluster", "qwen-raycluster-x7k2p"), "prod/qwen-raycluster"),
        (json!({}), owner("RoleSet", "llama-roleset-4bz9d"), "prod/llama-roleset"),
        (json!({}), owner("RoleSet", "llama-8b-x7k2p"), "prod/llama-8b"),
        (json!({}), owner("PodClique", "llama-x7k2p"), "prod/llama"),
        (json!({}), owner("PodClique", "llama-0-decode"), "prod/llama-decode"),
        (json!({}), owner("PodClique", "llama-12-workers-1-decode"), "prod/llama-workers-decode"),
        (json!({ "gpu": "a10" }), owner("PodClique", "llama-0-decode"), "prod/a10"),
        (
            json!({}),
            json!([{ "kind": "Node", "name": "n", "uid": "1" },
                           { "kind": "StatefulSet", "name": "s", "uid": "2", "controller": true }]),
            "prod/s",
        ),
    ] {
        let mut pod = pod(1, &labels);
        pod["metadata"]["ownerReferences"] = owners;
        let query = json!({ "selector": "app=llama", "deployment_label": "gpu" });
        let fetched = fetch(&query, &|_, _, _| pod_list(&[pod.clone()])).unwrap();
        assert_eq!(found(&fetched), [format!("10.0.0.1:8000 {expected} []")]);
    }
}

#[test]
fn what_a_pod_lacks_costs_only_itself_and_is_said() {
    let mut orphan = pod(1, &json!({}));
    orphan["metadata"]["ownerReferences"] = json!(null);
    let no_port = pod(2, &json!({ "model.aibrix.ai/port": "http" }));
    let pods = [orphan.clone(), no_port, pod(3, &json!({})), orphan.clone(), orphan.clone(), orphan];
    let fetched = fetch(&json!({ "selector": "app=llama" }), &|_, _, _| pod_list(&pods)).unwrap();
    assert_eq!(found(&fetched), ["10.0.0.3:8000 prod/a []"]);
    let orphan = "pod \"a-6b4-1\" has no owner that names its deployment";
    let no_port = "pod \"a-6b4-2\" has the label model.aibrix.ai/port: \"http\", expected a port from 1 to 65535";
    assert_eq!(fetched.complaints, [orphan, no_port, orphan, "and 2 more"]);
}

#[test]
fn models_of_the_configuration_go_before_the_label() {
    let labels = json!({ "model.aibrix.ai/name": "llama" });
    let query = json!({ "selector": "app=llama", "models": ["org/llama"] });
    let fetched = fetch(&query, &|_, _, _| pod_list(&[pod(1, &labels)])).unwrap();
    assert_eq!(found(&fetched), ["10.0.0.1:8000 prod/a [\"org/llama\"]"]);
}

#[test]
fn lists_are_read_page_by_page() {
    let pages = |path: &str, query: &BTreeMap<String, String>, _: &str| {
        assert_eq!(path, "/api/v1/namespaces/prod/pods");
        let at: usize = query.get("continue").map_or(0, |at| at.strip_prefix("at/+=").unwrap().parse().unwrap());
        let mut page = pod_list(&[pod(2 * at, &json!({})), pod(2 * at + 1, &json!({}))]);
        if at < 4 {
            page["metadata"]["continue"] = json!(format!("at/+={}", at + 1));
        }
        page
    };
    let fetched = fetch(&json!({ "selector": "app=llama" }), &pages).unwrap();
    assert_eq!(fetched.document.pods.len(), 10);
}

#[test]
fn a_server_that_always_has_another_page_is_given_up() {
    let mut page = pod_list(&[]);
    page["metadata"]["continue"] = json!("more");
    let error = fetch(&json!({ "selector": "app=llama" }), &|_, _, _| page.clone()).unwrap_err();
    assert!(error.to_string().starts_with("more than 1000 answers"), "{error}");
}

#[test]
fn more_pods_than_a_pool_may_have_are_refused() {
    let all: Vec<Value> = (0..10_001).map(|number| pod(number, &json!({}))).collect();
    let error = fetch(&json!({ "selector": "app=llama" }), &|_, _, _| pod_list(&all)).unwrap_err();
    assert_eq!(error.to_string(), "more than 10000 pods");
}

#[test]
fn another_kind_or_version_is_refused() {
    for (answer, found) in [
        (json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure" }), "kind \"Status\" of \"v1\""),
        (list("PodList", "v2", &[]), "kind \"PodList\" of \"v2\""),
        (list("Table", "meta.k8s.io/v1", &[]), "kind \"Table\" of \"meta.k8s.io/v1\""),
        (json!({}), "kind \"\" of \"\""),
    ] {
        let error = fetch(&json!({ "selector": "app=llama" }), &|_, _, _| answer.clone()).unwrap_err().to_string();
        assert_eq!(error, format!("invalid value: {found}, expected kind \"PodList\" of \"v1\""));
    }
}

// === services ===

#[test]
fn a_query_says_one_thing() {
    for (query, expected) in [
        (json!({}), "expected one of `service`"),
        (json!({ "service": "a", "selector": "a=b" }), "expected one of `service`"),
        (json!({ "service": "a", "port": 8000 }), "expected one of `service`"),
        (json!({ "inference_pool": "a", "port_name": "http" }), "expected one of `service`"),
        (json!({ "selector": "a=b", "port_name": "http" }), "expected one of `service`"),
        (json!({ "selector": "a=b", "port": 0 }), "`port` 0"),
        (json!({ "selector": "" }), "`selector` \"\""),
        (json!({ "service": "../secrets" }), "`service` \"../secrets\", expected a name"),
        (json!({ "service": "a", "namespace": "a/b" }), "`namespace` \"a/b\""),
        (json!({ "service": "a", "deployment_label": "a b" }), "`deployment_label`"),
        (json!({ "service": "a", "models": [] }), "models: invalid value"),
        (json!({ "service": "a", "token": "t" }), "token: unknown field `token`"),
    ] {
        let error = source(&query).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

// === fuzz ===

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_or_read(bytes in any::<Vec<u8>>()) {
        for query in [json!({ "service": "a" }), json!({ "inference_pool": "a" }), json!({ "selector": "a=b" })] {
            let _ = source(&query).unwrap().fetch(None).read(&bytes);
        }
    }

    #[test]
    fn a_list_that_is_cut_off_is_refused(cut in 1_usize..400) {
        let text = pod_list(&[pod(1, &json!({}))]).to_string();
        let mut fetch = source(&json!({ "selector": "a=b" })).unwrap().fetch(None);
        prop_assert!(fetch.read(&text.as_bytes()[..text.len() - cut]).is_err());
    }

    /// Whatever labels and owners say, what comes of them is a document that is read.
    #[test]
    fn any_metadata_makes_a_document(name in any::<String>(), owner in any::<String>(), label in any::<String>()) {
        let labels = json!({ "model.aibrix.ai/name": label, "model.aibrix.ai/port": label, "pod-template-hash": name });
        for kind in ["ReplicaSet", "RayCluster", "Other"] {
            let mut pod = pod(1, &labels);
            pod["metadata"]["name"] = json!(name);
            pod["metadata"]["ownerReferences"] = json!([{ "kind": kind, "name": owner }]);
            let fetched = fetch(&json!({ "selector": "a=b" }), &|_, _, _| pod_list(&[pod.clone()])).unwrap();
            prop_assert_eq!(PodDocument::read(&fetched.bytes), Ok(fetched.document));
        }
    }
}
