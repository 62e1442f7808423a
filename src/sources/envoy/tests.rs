use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::sources::Fetched;

fn source(clusters: &Value) -> EnvoySource {
    json::read(json!({ "cluster": "admin", "clusters": clusters }).to_string().as_bytes()).unwrap()
}

fn read(clusters: &Value, answer: &Value) -> Result<Fetched<PodDocument>, FetchError> {
    match source(clusters).fetch(None).read(answer.to_string().as_bytes())? {
        FetchProgress::Done(fetched) => Ok(fetched),
        FetchProgress::Next => panic!("one request is enough"),
    }
}

fn named() -> Value {
    json!([{ "name": "pods", "deployment": "prod/llama-a10", "models": ["m"] }])
}

fn answer(name: &str, hosts: &Value) -> Value {
    json!({ "cluster_statuses": [{ "name": name, "added_via_api": true, "host_statuses": hosts }] })
}

fn host(ip: &str, port: u16, health: &Value) -> Value {
    json!({
        "address": { "socket_address": { "address": ip, "port_value": port } },
        "stats": [{ "name": "cx_connect_fail" }],
        "health_status": health,
        "weight": 1,
        "locality": { "zone": "a10", "sub_zone": "gpu/a 10" },
    })
}

fn addresses(fetched: &Fetched<PodDocument>) -> Vec<String> {
    fetched.document.pods.iter().map(|pod| pod.address.to_string()).collect()
}

#[test]
fn it_asks_for_its_clusters_alone() {
    let clusters = json!([
        { "name": "outbound|8000||llama.prod.svc.cluster.local", "deployment": "a" },
        { "name": "b", "deployment": "b" },
    ]);
    let path = source(&clusters).fetch(None).request().path;
    let filter = percent_encoding::percent_decode_str(path.strip_prefix("/clusters?format=json&filter=").unwrap());
    assert_eq!(filter.decode_utf8().unwrap(), r"^(outbound\|8000\|\|llama\.prod\.svc\.cluster\.local|b)$");
}

#[test]
fn endpoints_that_serve_are_pods() {
    let hosts = json!([
        host("10.0.0.1", 8000, &json!({ "eds_health_status": "HEALTHY" })),
        host("10.0.0.2", 8000, &json!({ "eds_health_status": "DEGRADED" })),
        host("2001:db8::7", 8000, &json!({})),
        host("10.0.0.4", 8000, &json!({ "eds_health_status": "UNHEALTHY" })),
        host("10.0.0.5", 8000, &json!({ "eds_health_status": "DRAINING" })),
        host("10.0.0.6", 8000, &json!({ "failed_active_health_check": true, "eds_health_status": "HEALTHY" })),
        host("10.0.0.7", 8000, &json!({ "failed_outlier_check": true })),
        host("10.0.0.8", 8000, &json!({ "pending_active_hc": true })),
        host("10.0.0.9", 8000, &json!({ "pending_dynamic_removal": true })),
        host("10.0.0.10", 8000, &json!({ "eds_health_status": "SOME_NEW_STATE" })),
        host("10.0.0.11", 8000, &json!({ "excluded_via_immediate_hc_fail": true })),
    ]);
    let fetched = read(&named(), &answer("pods", &hosts)).unwrap();
    assert_eq!(addresses(&fetched), ["10.0.0.1:8000", "10.0.0.2:8000", "[2001:db8::7]:8000"]);
    let pod = &fetched.document.pods[0];
    assert_eq!((pod.deployment.as_str(), &pod.models[..]), ("prod/llama-a10", &["m".to_owned()][..]));
    assert_eq!(fetched.complaints, Vec::<String>::new());
}

#[test]
fn the_order_of_endpoints_says_nothing() {
    let [a, b] = ["10.0.0.1", "10.0.0.2"].map(|ip| host(ip, 8000, &json!({})));
    let one = read(&named(), &answer("pods", &json!([a, b, a])));
    assert_eq!(one, read(&named(), &answer("pods", &json!([b, a]))));
}

#[test]
fn a_cluster_without_endpoints_is_a_pool_without_pods() {
    for cluster in [json!({ "name": "pods" }), json!({ "name": "pods", "host_statuses": [] })] {
        let fetched = read(&named(), &json!({ "cluster_statuses": [cluster] })).unwrap();
        assert_eq!(addresses(&fetched), Vec::<String>::new());
    }
}

#[test]
fn a_cluster_that_is_not_there_is_an_error() {
    for answer in [json!({}), answer("pods2", &json!([]))] {
        let error = read(&named(), &answer).unwrap_err();
        assert_eq!(error.to_string(), "Envoy has no cluster \"pods\"");
    }
}

#[test]
fn the_locality_may_name_the_deployment() {
    let clusters = |part: &str| json!([{ "name": "pods", "deployment_from": part }]);
    let hosts = json!([host("10.0.0.1", 8000, &json!({}))]);
    let fetched = read(&clusters("zone"), &answer("pods", &hosts)).unwrap();
    assert_eq!(fetched.document.pods[0].deployment.as_str(), "default/a10");
    for (part, named) in [("region", "\"\" in `region`"), ("sub_zone", "\"gpu/a 10\" in `sub_zone`")] {
        let fetched = read(&clusters(part), &answer("pods", &hosts)).unwrap();
        assert_eq!(addresses(&fetched), Vec::<String>::new());
        let expected = format!("the locality of 10.0.0.1:8000 names no deployment: {named}");
        assert_eq!(fetched.complaints, [expected]);
    }
}

#[test]
fn an_endpoint_without_an_ip_address_is_left_out() {
    let pipe = json!({ "address": { "pipe": { "path": "/run/pod" } } });
    let fetched = read(&named(), &answer("pods", &json!([pipe]))).unwrap();
    assert_eq!(fetched.complaints, ["cluster \"pods\" has an endpoint without an IP address"]);
}

#[test]
fn a_configuration_that_leaves_the_deployment_open_is_refused() {
    for (clusters, expected) in [
        (json!([]), "no `clusters`"),
        (json!([{ "name": "a" }]), "expected one of `deployment` and `deployment_from`"),
        (json!([{ "name": "a", "deployment": "a", "deployment_from": "zone" }]), "cluster \"a\": expected one of"),
        (json!([{ "name": "a", "deployment_from": "rack" }]), "unknown variant `rack`"),
        (json!([{ "name": "a b", "deployment": "a" }]), "clusters[0].name"),
    ] {
        let text = json!({ "cluster": "admin", "clusters": clusters }).to_string();
        let error = json::read::<EnvoySource>(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_or_read(bytes in any::<Vec<u8>>()) {
        let _ = source(&named()).fetch(None).read(&bytes);
    }

    #[test]
    fn an_answer_that_is_cut_off_is_refused(cut in 1_usize..200) {
        let text = answer("pods", &json!([host("10.0.0.1", 8000, &json!({}))])).to_string();
        prop_assert!(source(&named()).fetch(None).read(&text.as_bytes()[..text.len() - cut]).is_err());
    }
}
