//! Pods from the API server.

use laboratory::gateway::{until, within};
use laboratory::server::scripted::{Answer, Plan, Pod};
use serde_json::{Value, json};

use super::api::{Api, Cluster, object, slice, status};
use crate::common::{DEPLOYMENT, Rig, Test, all_served, filter_with, pods, profile};

const SERVICE: &str = "/api/v1/namespaces/default/services/llama";

/// The filter's configuration with pods from the API server.
fn filter(query: &Value) -> Value {
    let mut source = json!({ "cluster": "api", "namespace": "default", "interval": "100ms", "timeout": "10s" });
    source.as_object_mut().expect("it is one").extend(query.as_object().cloned().unwrap_or_default());
    filter_with("kubernetes", source)
}

async fn start(pods: Vec<Pod>, api: &Api, query: &Value) -> anyhow::Result<Rig> {
    let address = api.server.address();
    let rig = Rig::with(pods, filter(query), |options| options.cluster("api", address)).await?;
    // The first fetch comes with the first tick, some 10 ms after the start.
    until("the pods are known", async || rig.pods_known().await).await;
    Ok(rig)
}

fn by_selector() -> Value {
    json!({ "selector": "app=llama" })
}

#[tokio::test]
async fn pods_that_appear_take_what_waits_and_pods_that_go_end_in_peace() -> Test {
    let pods = pods(3, &Plan::Hold)?;
    let objects: Vec<Value> = pods.iter().enumerate().map(|(n, pod)| object(&format!("a-{n}"), "a", pod)).collect();
    let api = Api::start(Cluster { pods: vec![objects[0].clone()], ..Cluster::default() })?;
    let rig = start(pods, &api, &by_selector()).await?;
    let mut pending = vec![rig.ask().start()];
    rig.pods[0].arrival(0).await;
    pending.push(rig.ask().start());
    rig.waiting(1).await;

    // Three are more than a page of this server.
    api.change(|cluster| cluster.pods.clone_from(&objects));
    until("a new pod has the one that waited", async || rig.pods[1].running() + rig.pods[2].running() == 1).await;
    pending.push(rig.ask().start());
    until("all three run", async || rig.pods.iter().all(|pod| pod.running() == 1)).await;

    api.change(|cluster| drop(cluster.pods.remove(0)));
    pending.push(rig.ask().start());
    rig.waiting(1).await;
    until("the pod is gone", async || rig.pod_count().await == Some(2.0)).await;
    rig.pods[0].answer(0, Answer::completion(10, 5));
    assert_eq!(within("an answer", pending.remove(0).reply()).await?.status, 200, "it ends where it ran");
    rig.waiting(1).await;
    rig.pods[1].answer(0, Answer::completion(10, 5));
    rig.pods[1].arrival(1).await;
    assert_eq!(rig.counts(), [1, 2, 1]);
    rig.pods[1].answer(1, Answer::completion(10, 5));
    rig.pods[2].answer(0, Answer::completion(10, 5));
    all_served(pending).await?;
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn a_pod_that_turns_unready_gets_nothing_more_and_ends_what_runs() -> Test {
    let pods = pods(2, &Plan::Hold)?;
    let mut objects: Vec<Value> = pods.iter().enumerate().map(|(n, pod)| object(&format!("a-{n}"), "a", pod)).collect();
    let api = Api::start(Cluster { pods: objects.clone(), ..Cluster::default() })?;
    let rig = start(pods, &api, &by_selector()).await?;
    let mut pending = vec![rig.ask().start(), rig.ask().start()];
    rig.pods[0].arrival(0).await;
    rig.pods[1].arrival(0).await;
    objects[0]["status"]["conditions"][0]["status"] = json!("False");
    api.change(|cluster| cluster.pods = objects);
    until("the pod is out", async || rig.pod_count().await == Some(1.0)).await;
    pending.push(rig.ask().start());
    rig.waiting(1).await;
    rig.pods[0].answer(0, Answer::completion(10, 5));
    rig.pods[1].answer(0, Answer::completion(10, 5));
    rig.pods[1].arrival(1).await;
    rig.pods[1].answer(1, Answer::completion(10, 5));
    all_served(pending).await?;
    assert_eq!(rig.counts(), [1, 2]);
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn the_endpoints_of_a_service_are_followed() -> Test {
    let pods = pods(3, &Plan::Answer(Answer::completion(10, 5)))?;
    let names = ["a-0", "a-1", "a-2"];
    let slices = |ready: [bool; 3]| (0..3).map(|n| slice(names[n], &pods[n], ready[n])).collect::<Vec<_>>();
    let service = json!({ "kind": "Service", "apiVersion": "v1", "spec": { "selector": { "app": "llama" } } });
    let cluster = Cluster {
        objects: [(SERVICE.to_owned(), service)].into(),
        pods: (0..3).map(|n| object(names[n], "a", &pods[n])).collect(),
        slices: slices([true, true, false]),
        ..Cluster::default()
    };
    let (all, api) = (slices([true; 3]), Api::start(cluster)?);
    let rig = start(pods, &api, &json!({ "service": "llama" })).await?;
    for _ in 0..10 {
        assert_eq!(rig.ask().send().await?.status, 200);
    }
    let counts = rig.counts();
    assert!(counts[0] > 0 && counts[1] > 0 && counts[2] == 0, "{counts:?}");
    api.change(|cluster| cluster.slices = all);
    until("the third is ready", async || rig.pod_count().await == Some(3.0)).await;
    until("the third serves", async || rig.ask().send().await.is_ok() && rig.counts()[2] > 0).await;
    Ok(())
}

#[tokio::test]
async fn an_inference_pool_names_its_pods_by_labels_and_port() -> Test {
    let pods = pods(1, &Plan::Answer(Answer::completion(10, 5)))?;
    let port = pods[0].address().port();
    let pool = json!({
        "kind": "InferencePool", "apiVersion": "inference.networking.k8s.io/v1",
        "spec": { "selector": { "matchLabels": { "app": "llama" } }, "targetPorts": [{ "number": port }] },
    });
    let path = "/apis/inference.networking.k8s.io/v1/namespaces/default/inferencepools/llama".to_owned();
    let cluster =
        Cluster { objects: [(path, pool)].into(), pods: vec![object("a-0", "a", &pods[0])], ..Cluster::default() };
    let api = Api::start(cluster)?;
    let rig = start(pods, &api, &json!({ "inference_pool": "llama" })).await?;
    assert_eq!(rig.ask().send().await?.status, 200);
    let labels = "labelSelector=app%3Dllama";
    assert!(api.server.arrivals().iter().any(|arrival| arrival.path.contains(labels)));
    Ok(())
}

#[tokio::test]
async fn the_profiles_of_a_config_map_are_followed() -> Test {
    let pods = pods(1, &Plan::Hold)?;
    let map = |fit| {
        let document = json!({ "profiles": [profile(DEPLOYMENT, "m", fit)] }).to_string();
        json!({ "kind": "ConfigMap", "apiVersion": "v1", "data": { "a.json": document } })
    };
    let path = "/api/v1/namespaces/default/configmaps/profiles";
    let cluster = Cluster { objects: [(path.to_owned(), map(1))].into(), ..Cluster::default() };
    let (api, mut filter) = (Api::start(cluster)?, crate::common::filter(&pods, 1));
    let source = json!({ "cluster": "api", "namespace": "default", "name": "profiles", "interval": "100ms" });
    filter["profiles"] = json!({ "correct": false, "config_map": source });
    // A worker that has not taken the profiles yet goes by this, and so by the same.
    filter["capacity"] = json!({ "default_concurrency": 1 });
    let address = api.server.address();
    let rig = Rig::with(pods, filter, |options| options.cluster("api", address)).await?;
    until("the profiles are there", async || rig.source_updates("profiles").await >= 1.0).await;
    let _pending: Vec<_> = (0..3).map(|_| rig.ask().start()).collect();
    rig.waiting(2).await;
    api.change(|cluster| drop(cluster.objects.insert(path.to_owned(), map(2))));
    rig.pods[0].arrival(1).await;
    rig.waiting(1).await;
    Ok(())
}

#[tokio::test]
async fn of_a_bad_answer_the_last_good_pods_stay_and_the_reason_is_counted_and_said_once() -> Test {
    let pods = pods(1, &Plan::Answer(Answer::completion(10, 5)))?;
    let api = Api::start(Cluster { pods: vec![object("a-0", "a", &pods[0])], ..Cluster::default() })?;
    let rig = start(pods, &api, &by_selector()).await?;
    let page = json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [] }).to_string();
    let huge = format!("{}{}", page, " ".repeat(9 << 20));
    let bad = [
        ("forbidden", status(403, "pods is forbidden"), "pods is forbidden"),
        ("gone", status(410, "The provided continue parameter is too old"), "continue parameter is too old"),
        ("too-large", Answer::status(200).part(huge), "expected at most 8388608"),
        ("invalid", Answer::status(200).part(page[..page.len() - 9].to_owned()), "EOF while parsing"),
        ("invalid", Answer::json(&json!({ "kind": "PodList", "apiVersion": "v2" })), "expected kind"),
        ("not-found", status(404, "no such resource"), "no such resource"),
        ("no-answer", Answer::status(200).header("content-length", "999").part("{").breaks_off(), "reset"),
    ];
    for (reason, answer, said) in bad {
        api.change(|cluster| cluster.instead = Some(answer));
        let before = rig.source_errors(reason).await;
        until(&format!("{said}: the reason is counted"), async || rig.source_errors(reason).await >= before + 3.0)
            .await;
        assert_eq!(rig.ask().send().await?.status, 200, "{said}");
        let log = rig.envoy.log();
        let lines = log.lines().filter(|line| line.contains("last good ones") && line.contains(said)).count();
        assert_eq!(lines, 1, "{said}: {log}");
    }
    api.change(|cluster| cluster.instead = None);
    until("all is well again", async || rig.envoy.log().contains("pods: all is well again")).await;
    Ok(())
}
