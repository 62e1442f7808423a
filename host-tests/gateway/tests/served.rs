//! Pods that serve what another was asked for, and pods that a gateway before the filter rules out.

use laboratory::gateway::{Options, find, path, until, within};
use laboratory::server::scripted::{Answer, Plan};
use serde_json::{Value, json};

use crate::common::{Rig, Test, filter, pods};

fn with_retries(options: Options) -> Options {
    options.change(|yaml| {
        let policy = json!({ "retry_on": "connect-failure,retriable-status-codes", "retriable_status_codes": [503],
                             "num_retries": 2 });
        *find(yaml, &format!("{}/retry_policy", path::ROUTE)) = serde_norway::to_value(policy).expect("JSON is YAML");
    })
}

fn with_alternatives(filter: &mut Value) {
    filter["upstream"] = json!({ "alternatives": 2 });
}

#[tokio::test]
async fn a_retry_goes_to_the_next_pod_of_the_list_and_is_charged_there() -> Test {
    let rig = Rig::start(2, &Plan::Hold, 1, with_alternatives, with_retries).await?;
    rig.pods[0].next(Plan::Answer(Answer::status(503)));
    // The choice between empty pods is random: until it is the one that fails.
    let mut answered = 0;
    let retried = loop {
        let pending = tokio::spawn(rig.ask().open());
        rig.pods[1].arrival(answered).await;
        if rig.counts()[0] == 1 {
            break pending;
        }
        rig.pods[1].answer(answered, Answer::completion(10, 5));
        let mut answer = within("an answer", pending).await??;
        while answer.next().await?.is_some() {}
        rig.idle().await;
        answered += 1;
        anyhow::ensure!(answered < 64, "the first pod is never chosen");
    };
    let pace = rig.pods[1].answer_paced(answered, Answer::events());
    pace.send("data: {}\n\n");
    // With the head of its answer the filter knows who serves.
    let mut retried = within("the head of the answer", retried).await??;
    assert!(retried.next().await?.is_some());
    // The pod that serves is full, the other one is out for a second: the next one waits for that to be over.
    let next = rig.ask().start();
    rig.pods[0].arrival(1).await;
    assert_eq!(rig.pods[1].most_running(), 1);
    pace.send("data: [DONE]\n\n");
    pace.end();
    while retried.next().await?.is_some() {}
    rig.pods[0].answer(1, Answer::completion(10, 5));
    assert_eq!(within("an answer", next.reply()).await?.status, 200);
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn the_header_names_as_many_pods_as_it_is_told() -> Test {
    let rig = Rig::start(4, &Plan::Answer(Answer::completion(10, 5)), 1, with_alternatives, |options| options).await?;
    rig.ask().send().await?;
    let arrival = rig.pods.iter().find_map(|pod| pod.arrivals().first().cloned()).expect("one has it");
    let named: Vec<&str> = arrival.header("x-gateway-destination-endpoint").unwrap_or_default().split(',').collect();
    let addresses: Vec<String> = rig.pods.iter().map(|pod| pod.address().to_string()).collect();
    assert_eq!(named.len(), 3);
    assert!(named.iter().all(|name| addresses.iter().any(|address| address == name)), "{named:?}");
    Ok(())
}

#[tokio::test]
async fn where_envoy_falls_back_the_ledger_follows() -> Test {
    let pods = pods(2, &Plan::Hold)?;
    let mut filter = filter(&pods, 1);
    filter["response"] = json!({ "show_pod": true });
    // Envoy knows the second pod alone.
    let known = vec![pods[1].address()];
    let rig = Rig::with(pods, filter, move |options| {
        options.change(move |yaml| {
            let endpoints = format!("{}/load_assignment/endpoints", path::PODS);
            *find(yaml, &endpoints) = super::sources::endpoints(&known);
        })
    })
    .await?;
    let mut served = Vec::new();
    for id in 0..3 {
        let pending = rig.ask().start();
        rig.pods[1].arrival(id).await;
        rig.pods[1].answer(id, Answer::completion(10, 5));
        served.push(within("an answer", pending.reply()).await?);
    }
    let address = rig.pods[1].address().to_string();
    for reply in served {
        assert_eq!(reply.header("x-slo-router-pod"), Some(address.as_str()));
    }
    assert_eq!(rig.counts(), [0, 3]);
    rig.idle().await;
    Ok(())
}

/// A gateway before the filter has set the hint, as this Envoy filter does.
fn with_hint(hint: Value) -> impl FnOnce(Options) -> Options {
    move |options| {
        options.change(move |yaml| {
            let filters = find(yaml, path::HTTP_FILTERS).as_sequence_mut().expect("the shipped filters");
            let value = json!({ "x-gateway-destination-endpoint-subset": hint });
            let filter = json!({
                "name": "hint",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config",
                    "metadata": [{ "metadata_namespace": "envoy.lb.subset_hint", "value": value }],
                },
            });
            filters.insert(0, serde_norway::to_value(filter).expect("JSON is YAML"));
        })
    }
}

fn by_hint(filter: &mut Value) {
    filter["upstream"] = json!({ "subset_hint": true });
}

#[tokio::test]
async fn a_subset_hint_narrows_the_choice_to_its_pods() -> Test {
    let all = pods(3, &Plan::Answer(Answer::completion(10, 5)))?;
    let [first, second] = [all[1].address().to_string(), all[2].address().to_string()];
    let mut turn = Some(all);
    for hint in [json!([first, second]), json!(format!("{first},{second}"))] {
        let pods = turn.take().expect("they are given back");
        let mut filter = filter(&pods, 4);
        by_hint(&mut filter);
        let rig = Rig::with(pods, filter, with_hint(hint)).await?;
        let before = rig.counts();
        for _ in 0..10 {
            assert_eq!(rig.ask().send().await?.status, 200);
            assert_eq!(rig.client.get("/v1/models").send().await?.status, 200);
        }
        let after = rig.counts();
        assert_eq!(after[0], before[0]);
        assert!(after[1] > before[1] && after[2] > before[2], "{after:?}");
        let Rig { pods, .. } = rig;
        turn = Some(pods);
    }
    Ok(())
}

#[tokio::test]
async fn a_subset_hint_without_a_pod_of_ours_is_a_503() -> Test {
    for hint in [json!([]), json!(["10.0.0.1:80"]), json!("")] {
        let rig = Rig::start(1, &Plan::Hold, 1, by_hint, with_hint(hint.clone())).await?;
        let reply = within("an answer", rig.ask().send()).await?;
        assert_eq!(
            (u16::from(reply.status), reply.header("x-slo-router-reason")),
            (503, Some("no_ready_pod")),
            "{hint}"
        );
        assert_eq!(within("an answer", rig.client.get("/v1/models").send()).await?.status, 503, "{hint}");
    }
    Ok(())
}

/// The shipped cluster of that file, and the filter's words for it.
fn of_any_address(file: &str, filter: &mut Value) -> anyhow::Result<serde_norway::Value> {
    let mut shipped: serde_norway::Value = serde_norway::from_str(&std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../envoy").join(file),
    )?)?;
    let text =
        find(&mut shipped, &format!("{}/configuration/value", path::PLUGIN)).as_str().unwrap_or_default().to_owned();
    filter["upstream"] = serde_json::from_str::<Value>(&text)?["upstream"].take();
    Ok(find(&mut shipped, path::PODS).clone())
}

#[tokio::test]
async fn pods_that_are_gone_or_break_off_cost_no_request_and_are_out_at_once() -> Test {
    for file in [None, Some("original-dst.yaml"), Some("kubernetes/base/envoy.yaml")] {
        let pods = pods(3, &Plan::Hold)?;
        let mut filter = filter(&pods, 4);
        with_alternatives(&mut filter);
        let cluster = file.map(|file| of_any_address(file, &mut filter)).transpose()?;
        let mut rig = Rig::with(pods, filter, |options| match cluster {
            None => options,
            Some(cluster) => options.change(move |yaml| *find(yaml, path::PODS) = cluster.clone()),
        })
        .await?;
        rig.pods[0].refuse().await;
        rig.pods[1].plan(Plan::Close);
        let pending: Vec<_> = (0..3).map(|_| rig.ask().start()).collect();
        rig.pods[2].arrival(2).await;
        // Before any answer has come.
        until("a pod is out", async || rig.gauge_of("slo_router_pods_failing").await >= Some(1.0)).await;
        (0..3).for_each(|id| rig.pods[2].answer(id, Answer::completion(10, 5)));
        for pending in pending {
            assert_eq!(within("an answer", pending.reply()).await?.status, 200, "{file:?}");
        }
        rig.idle().await;
    }
    Ok(())
}
