use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// An API server: the answer to a path and query, whose values are decoded, with the media type asked for.
type Server<'a> = &'a dyn Fn(&str, &BTreeMap<String, String>, &str) -> Value;

fn source(query: &Value) -> Result<KubernetesSource, String> {
    let mut document = json!({ "cluster": "api", "namespace": "prod" });
    document.as_object_mut().unwrap().extend(query.as_object().unwrap().clone());
    json::read(document.to_string().as_bytes()).map_err(|error| error.to_string())
}

fn fetch(query: &Value, server: Server<'_>) -> Result<Fetched, FetchError> {
    let mut fetch = source(query).unwrap().fetch();
    for _ in 0..3_000 {
        let Request { path, accept, etag } = fetch.request();
        assert_eq!(etag, None);
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        let decoded = |text| percent_decode_str(text).decode_utf8().unwrap().into_owned();
        let query = query.map(|(key, value)| (key.to_owned(), decoded(value))).collect();
        if let Progress::Done(fetched) = fetch.read(server(path, &query, accept).to_string().as_bytes())? {
            return Ok(fetched);
        }
    }
    panic!("it does not end")
}

fn found(fetched: &Fetched) -> Vec<String> {
    let pods = pods::parse(&fetched.document).unwrap();
    pods.iter().map(|pod| format!("{} {} {:?}", pod.address, pod.deployment, pod.models)).collect()
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
    assert_eq!(pods::parse(&fetched.document).unwrap().len(), 10);
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

fn service() -> Value {
    json!({
        "kind": "Service", "apiVersion": "v1",
        "spec": { "selector": { "app": "llama", "tier": "gpu" }, "ipFamilies": ["IPv4", "IPv6"] },
    })
}

fn slice(kind: &str, ports: &Value, endpoints: &Value) -> Value {
    json!({ "metadata": { "name": "s" }, "addressType": kind, "ports": ports, "endpoints": endpoints })
}

fn endpoint(pod: &str, ip: &str, conditions: &Value) -> Value {
    json!({ "addresses": [ip], "conditions": conditions, "targetRef": { "kind": "Pod", "name": pod, "uid": "1" } })
}

/// An API server with a service, these slices of it and these pods.
fn serve<'a>(
    service: &'a Value,
    slices: &'a [Value],
    pods: &'a [&'a str],
) -> impl Fn(&str, &BTreeMap<String, String>, &str) -> Value {
    move |path, query, accept| match path {
        "/api/v1/namespaces/prod/services/llama" => service.clone(),
        "/apis/discovery.k8s.io/v1/namespaces/prod/endpointslices" => {
            assert_eq!(query["labelSelector"], "kubernetes.io/service-name=llama");
            list("EndpointSliceList", "discovery.k8s.io/v1", slices)
        }
        "/api/v1/namespaces/prod/pods" => {
            assert_eq!(query["labelSelector"], "app=llama,tier=gpu");
            assert!(accept.contains("as=PartialObjectMetadataList"), "{accept}");
            let item = |name: &&str| json!({ "metadata": metadata(name, &json!({}), &replica_set("a-6b4")) });
            let items: Vec<Value> = pods.iter().map(item).collect();
            list("PartialObjectMetadataList", "meta.k8s.io/v1", &items)
        }
        other => panic!("{other}"),
    }
}

fn port() -> Value {
    json!([{ "name": "http", "port": 8000, "protocol": "TCP" }])
}

#[test]
fn the_ready_endpoints_of_a_service_are_pods() {
    let ready = json!({ "ready": true, "serving": true, "terminating": false });
    let slices = [
        slice(
            "IPv4",
            &port(),
            &json!([
                endpoint("a-1", "10.0.0.1", &ready),
                endpoint("a-2", "10.0.0.2", &json!({ "ready": false })),
                endpoint("a-3", "10.0.0.3", &json!({ "ready": true, "terminating": true })),
                endpoint("a-4", "10.0.0.4", &json!({})),
                endpoint("gone", "10.0.0.5", &ready),
                { "addresses": ["10.0.0.6"], "conditions": ready },
            ]),
        ),
        slice("IPv6", &port(), &json!([endpoint("a-1", "2001:db8::1", &ready)])),
        slice("IPv4", &port(), &json!([endpoint("a-7", "10.0.0.7", &ready)])),
        slice("IPv4", &json!(null), &json!(null)),
    ];
    let server = service();
    let server = serve(&server, &slices, &["a-1", "a-2", "a-3", "a-4", "a-7", "other"]);
    let fetched = fetch(&json!({ "service": "llama" }), &server).unwrap();
    let expected = ["10.0.0.1:8000 prod/a []", "10.0.0.4:8000 prod/a []", "10.0.0.7:8000 prod/a []"];
    assert_eq!(found(&fetched), expected);
}

#[test]
fn of_several_ports_the_named_one_is_taken() {
    let ports = json!([{ "name": "http", "port": 8000 }, { "name": "metrics", "port": 9090 }]);
    let slices = [slice("IPv4", &ports, &json!([endpoint("a-1", "10.0.0.1", &json!({}))]))];
    let service = service();
    let server = serve(&service, &slices, &["a-1"]);
    let fetched = fetch(&json!({ "service": "llama", "port_name": "metrics" }), &server).unwrap();
    assert_eq!(found(&fetched), ["10.0.0.1:9090 prod/a []"]);
    let told = fetch(&json!({ "service": "llama" }), &server).unwrap_err().to_string();
    let expected = "the service has the ports [\"http\", \"metrics\"], expected `port_name` to say which is meant";
    assert_eq!(told, expected);
}

#[test]
fn a_slice_without_the_named_port_costs_only_its_own_pods() {
    let one = |pod, ip| json!([endpoint(pod, ip, &json!({ "ready": true }))]);
    let metrics = json!([{ "name": "metrics", "port": 9090 }]);
    let no_number = json!([{ "name": "http", "port": null }]);
    let service = service();
    for ports in [json!(null), json!([]), metrics, no_number] {
        let slices = [slice("IPv4", &port(), &one("a-1", "10.0.0.1")), slice("IPv4", &ports, &one("a-2", "10.0.0.2"))];
        let server = serve(&service, &slices, &["a-1", "a-2"]);
        let fetched = fetch(&json!({ "service": "llama", "port_name": "http" }), &server).unwrap();
        assert_eq!(found(&fetched), ["10.0.0.1:8000 prod/a []"]);
        assert_eq!(fetched.complaints.len(), 1, "{:?}", fetched.complaints);
        assert!(
            fetched.complaints[0].starts_with("ready pods are left out that have the ports ["),
            "{:?}",
            fetched.complaints
        );
    }
}

#[test]
fn a_service_that_is_scaled_to_none_has_no_pods() {
    let service = service();
    for (ports, endpoints) in [(json!([]), json!([])), (json!(null), json!(null)), (json!([]), json!(null))] {
        let slices = [slice("IPv4", &ports, &endpoints)];
        for query in [json!({ "service": "llama", "port_name": "http" }), json!({ "service": "llama" })] {
            let fetched = fetch(&query, &serve(&service, &slices, &[])).unwrap();
            assert_eq!((found(&fetched), fetched.complaints), (vec![], vec![]));
        }
    }
    let ends = json!([endpoint("a-1", "10.0.0.1", &json!({ "ready": false, "serving": true, "terminating": true }))]);
    let slices = [slice("IPv4", &json!([]), &ends)];
    let fetched =
        fetch(&json!({ "service": "llama", "port_name": "http" }), &serve(&service, &slices, &["a-1"])).unwrap();
    assert_eq!((found(&fetched), fetched.complaints), (vec![], vec![]));
}

#[test]
fn a_headless_service_without_ports_is_told_of() {
    let service = service();
    let slices = [slice("IPv4", &json!(null), &json!([endpoint("a-1", "10.0.0.1", &json!({}))]))];
    let fetched = fetch(&json!({ "service": "llama" }), &serve(&service, &slices, &["a-1"])).unwrap();
    assert_eq!(fetched.complaints, ["ready pods are left out: the service says no port, expected one"]);
}

#[test]
fn a_service_without_a_selector_has_no_pods_to_know() {
    let service = json!({ "kind": "Service", "apiVersion": "v1", "spec": {} });
    let error = fetch(&json!({ "service": "llama" }), &serve(&service, &[], &[])).unwrap_err();
    assert!(error.to_string().starts_with("the service has no selector"), "{error}");
}

// === inference pools ===

#[test]
fn an_inference_pool_says_labels_and_ports() {
    let pool = json!({
        "kind": "InferencePool", "apiVersion": "inference.networking.k8s.io/v1",
        "spec": { "selector": { "matchLabels": { "app": "llama" } }, "targetPorts": [{ "number": 8000 }, { "number": 8001 }] },
    });
    let labels = json!({ "model.aibrix.ai/port": "9000" });
    let server = |path: &str, query: &BTreeMap<String, String>, _: &str| match path {
        "/apis/inference.networking.k8s.io/v1/namespaces/prod/inferencepools/llama" => pool.clone(),
        "/api/v1/namespaces/prod/pods" => {
            assert_eq!(query["labelSelector"], "app=llama");
            pod_list(&[pod(1, &labels)])
        }
        other => panic!("{other}"),
    };
    let fetched = fetch(&json!({ "inference_pool": "llama" }), &server).unwrap();
    assert_eq!(found(&fetched), ["10.0.0.1:8000 prod/a []", "10.0.0.1:8001 prod/a []"]);
}

// === configuration ===

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
            let _ = source(&query).unwrap().fetch().read(&bytes);
        }
    }

    #[test]
    fn a_list_that_is_cut_off_is_refused(cut in 1_usize..400) {
        let text = pod_list(&[pod(1, &json!({}))]).to_string();
        let mut fetch = source(&json!({ "selector": "a=b" })).unwrap().fetch();
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
            prop_assert!(pods::parse(&fetched.document).is_ok());
        }
    }
}
