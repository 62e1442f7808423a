//! Pods that are the endpoints of a service or belong to an inference pool.

use super::*;

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
    let complaint = "ready pods are left out: the service has no port, or they lack the one that it names";
    assert_eq!(fetched.complaints, [complaint]);
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
