//! Placement: the pod that a request goes to.

use laboratory::gateway::until;
use laboratory::server::scripted::{Answer, Plan};
use serde_json::json;

use crate::common::{CHAT, Rig, Test, entry, filter_with, pods, profile};

#[tokio::test]
async fn pull_places_on_the_pod_with_least_pending_load() -> Test {
    let rig = Rig::holding(2, 4, 1).await?;
    let mut pending = Vec::new();
    for placed in 0..8 {
        pending.push(rig.ask().start());
        until("the request has arrived", async || rig.counts().iter().sum::<usize>() > placed).await;
        assert!(rig.counts()[0].abs_diff(rig.counts()[1]) <= 1, "{:?}", rig.counts());
    }
    assert_eq!(rig.counts(), [4, 4]);
    Ok(())
}

#[tokio::test]
async fn pack_fills_a_pod_almost_half_before_the_next() -> Test {
    let rig =
        Rig::start(2, &Plan::Hold, 8, |filter| filter["policy"] = json!("slo-pack-load"), |options| options).await?;
    let mut pending = Vec::new();
    for placed in 0..3 {
        pending.push(rig.ask().start());
        until("the request has arrived", async || rig.counts().iter().sum::<usize>() > placed).await;
    }
    assert!(rig.counts().contains(&3), "{:?}", rig.counts());
    pending.push(rig.ask().start());
    until("the fourth has arrived", async || rig.counts().iter().sum::<usize>() == 4).await;
    assert!(rig.counts().contains(&1), "{:?}", rig.counts());
    Ok(())
}

#[tokio::test]
async fn push_places_at_once_even_above_capacity() -> Test {
    let rig =
        Rig::start(1, &Plan::Hold, 2, |filter| filter["policy"] = json!("slo-least-load"), |options| options).await?;
    let _pending: Vec<_> = (0..5).map(|_| rig.ask().start()).collect();
    rig.pods[0].arrival(4).await;
    Ok(())
}

#[tokio::test]
async fn each_deployment_takes_what_its_profile_says() -> Test {
    let pods = pods(2, &Plan::Hold)?;
    let entries = [entry(pods[0].address(), "default/fast", "m"), entry(pods[1].address(), "default/slow", "m")];
    let mut filter = filter_with("static", json!(entries));
    filter["profiles"]["inline"] = json!([profile("default/fast", "m", 5), profile("default/slow", "m", 2)]);
    let rig = Rig::with(pods, filter, |options| options).await?;
    let _pending: Vec<_> = (0..9).map(|_| rig.ask().start()).collect();
    rig.waiting(2).await;
    assert_eq!(rig.counts(), [5, 2]);
    Ok(())
}

#[tokio::test]
async fn a_model_goes_to_the_pods_that_serve_it() -> Test {
    let pods = pods(2, &Plan::Answer(Answer::completion(10, 5)))?;
    let entries = [entry(pods[0].address(), "default/a", "a"), entry(pods[1].address(), "default/b", "b")];
    let mut filter = filter_with("static", json!(entries));
    filter["models"] = json!({ "a": {}, "b": {}, "adapter-of-b": { "base": "b" } });
    filter["default_model"] = json!("a");
    filter["profiles"]["inline"] = json!([profile("default/a", "a", 4), profile("default/b", "b", 4)]);
    let rig = Rig::with(pods, filter, |options| options).await?;
    for (model, counts) in [("a", [1, 0]), ("b", [1, 1]), ("adapter-of-b", [1, 2])] {
        let reply = rig.client.post(CHAT).json(&json!({ "model": model, "messages": [] })).send().await?;
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        assert_eq!(rig.counts(), counts, "{model}");
    }
    Ok(())
}

#[tokio::test]
async fn a_clients_strategy_is_followed_where_it_is_allowed() -> Test {
    let allow = |filter: &mut serde_json::Value| filter["allowed_strategies"] = json!(["slo", "slo-pack-load"]);
    let rig = Rig::answering(2, 4, allow).await?;
    for strategy in ["slo", "slo-pack-load"] {
        let reply = rig.ask().header("routing-strategy", strategy).send().await?;
        assert_eq!(reply.header("x-slo-router-policy"), Some(strategy), "{}", reply.text());
    }
    Ok(())
}

#[tokio::test]
async fn without_a_profile_the_fallback_policy_places() -> Test {
    let rig = Rig::answering(2, 4, |filter| filter["profiles"] = json!({ "inline": [] })).await?;
    let reply = rig.ask().send().await?;
    assert_eq!(reply.header("x-slo-router-policy"), Some("least-request"));
    assert!(reply.header("x-slo-router-reason").is_some_and(|reason| !reason.is_empty()));
    Ok(())
}

#[tokio::test]
async fn without_a_profile_a_set_concurrency_is_kept() -> Test {
    let change = |filter: &mut serde_json::Value| {
        filter["profiles"] = json!({ "inline": [] });
        filter["capacity"] = json!({ "default_concurrency": 2 });
    };
    let rig = Rig::start(1, &Plan::Hold, 4, change, |options| options).await?;
    let _pending: Vec<_> = (0..3).map(|_| rig.ask().start()).collect();
    rig.waiting(1).await;
    assert_eq!(rig.counts(), [2]);
    rig.pods[0].answer(0, Answer::completion(10, 5));
    rig.pods[0].arrival(2).await;
    Ok(())
}

#[tokio::test]
async fn the_chosen_pod_is_the_only_one_named_upstream() -> Test {
    let rig = Rig::answering(2, 4, |_| {}).await?;
    for _ in 0..10 {
        let named = rig.pods[1].address().to_string();
        rig.ask().header("x-gateway-destination-endpoint", &named).send().await?;
    }
    for pod in &rig.pods {
        for arrival in pod.arrivals() {
            let named: Vec<_> = arrival.headers.get_all("x-gateway-destination-endpoint").iter().collect();
            assert_eq!(named, [pod.address().to_string().as_str()]);
        }
        assert!(!pod.arrivals().is_empty(), "the client's choice would have left one pod idle");
    }
    Ok(())
}
