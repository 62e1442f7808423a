//! Requests that wait for room.

use laboratory::client::{Client, Pending, Reply};
use laboratory::gateway::{until, within};
use laboratory::server::scripted::{Answer, Plan};
use serde_json::{Value, json};

use crate::common::{CHAT, DEPLOYMENT, Rig, Test, all_served, chat, profile};

fn done() -> Answer {
    Answer::completion(10, 5)
}

#[tokio::test]
async fn a_request_is_held_until_capacity_is_freed() -> Test {
    let rig = Rig::holding(1, 2, 1).await?;
    let running = [rig.ask().start(), rig.ask().start()];
    rig.pods[0].arrival(1).await;
    let held = rig.ask().start();
    rig.waiting(1).await;
    assert_eq!(rig.pods[0].running(), 2);

    rig.pods[0].answer(0, done());
    rig.pods[0].arrival(2).await;
    rig.pods[0].answer(1, done());
    rig.pods[0].answer(2, done());
    let reply = within("the held request's answer", held.reply()).await?;
    assert_eq!(reply.status, 200);
    let wait_ms = |reply: &Reply| reply.header("x-slo-router-wait-ms").and_then(|ms| ms.parse::<f64>().ok());
    let held_ms = wait_ms(&reply);
    for running in running {
        let placed_ms = wait_ms(&running.reply().await?);
        assert!(placed_ms.is_some() && placed_ms < held_ms, "{placed_ms:?}, {held_ms:?}");
    }
    assert_eq!(rig.pods[0].most_running(), 2);
    rig.idle().await;
    Ok(())
}

/// Requests that arrive in another order than their objectives leave time for.
async fn one_at_a_time(workers: u32) -> Test {
    const WAITING: usize = 16;
    let rig = Rig::holding(1, 1, workers).await?;
    let first = rig.ask_as("first").start();
    rig.pods[0].arrival(0).await;
    // 5 is coprime to the count: each place once, far from sorted.
    let places: Vec<usize> = (0..WAITING).map(|number| number * 5 % WAITING).collect();
    let mut pending = vec![first];
    for place in &places {
        // Half a minute or more is left to each, seconds lie between them.
        let objective_ms = 30_000 + 2_000 * place;
        pending.push(rig.ask_as(&place.to_string()).header("x-slo-e2e-ms", &objective_ms.to_string()).start());
    }
    rig.waiting(WAITING).await;
    for arrived in 0..=WAITING {
        rig.pods[0].arrival(arrived).await;
        assert_eq!(rig.pods[0].arrivals().len(), arrived + 1);
        rig.pods[0].answer(arrived, done());
    }
    let mut served = rig.names(0).split_off(1);
    if workers > 1 {
        // A worker that the machine does not run for 5 ms after it was woken loses its turn to the next, so the order over workers is
        // shown in virtual time alone.
        served.sort_by_key(|place| place.parse::<usize>().ok());
    }
    let expected: Vec<String> = (0..WAITING).map(|place| place.to_string()).collect();
    assert_eq!(served, expected);
    all_served(pending).await?;
    if workers > 1 {
        let stats = rig.envoy.stats().await?;
        let busy = |worker: &u32| stats.get(&format!("listener.gateway.worker_{worker}.downstream_cx_total")) > Some(0);
        assert!((0..workers).filter(busy).count() > 1, "all connections are one worker's");
    }
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn the_most_urgent_goes_first() -> Test {
    one_at_a_time(1).await
}

#[tokio::test]
async fn what_waits_in_any_worker_is_served_once_and_one_at_a_time() -> Test {
    one_at_a_time(4).await
}

/// Answers one request at a time, as soon as the pods are full.
async fn full_and_never_more(workers: u32) -> Test {
    const REQUESTS: usize = 100;
    const FIT: usize = 4;
    let rig = Rig::holding(2, FIT as u32, workers).await?;
    let pending: Vec<Pending> = (0..REQUESTS).map(|_| rig.ask().start()).collect();
    for answered in 0..REQUESTS {
        let left = REQUESTS - answered;
        // Nothing that fits waits: the pods are full as long as there is enough to fill them.
        let full = async || rig.pods.iter().map(|pod| pod.held().len()).sum::<usize>() == left.min(2 * FIT);
        until("the pods are full", full).await;
        let pod = rig.pods.iter().max_by_key(|pod| pod.held().len()).unwrap();
        pod.answer(pod.held()[0], done());
    }
    all_served(pending).await?;
    assert_eq!(rig.pods.iter().map(|pod| pod.most_running()).collect::<Vec<_>>(), [FIT, FIT]);
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn a_pod_is_full_and_never_more() -> Test {
    full_and_never_more(1).await
}

#[tokio::test]
async fn a_pod_is_full_and_never_more_with_several_workers() -> Test {
    full_and_never_more(4).await
}

/// The one of two waiting requests whose client leaves is never sent.
async fn client_leaves(rig: Rig, client: Client) -> Test {
    let ask = |name| client.post(CHAT).json(&chat()).header("x-test-name", name).start();
    let first = ask("first");
    rig.pods[0].arrival(0).await;
    let (leaves, stays) = (ask("leaves"), ask("stays"));
    rig.waiting(2).await;
    drop(leaves);
    rig.waiting(1).await;
    rig.pods[0].answer(0, done());
    rig.pods[0].arrival(1).await;
    rig.pods[0].answer(1, done());
    assert_eq!(within("an answer", first.reply()).await?.status, 200);
    assert_eq!(within("an answer", stays.reply()).await?.status, 200);
    assert_eq!(rig.names(0), ["first", "stays"]);
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn a_client_that_left_the_queue_costs_nothing() -> Test {
    let rig = Rig::holding(1, 1, 1).await?;
    let client = rig.client.clone();
    client_leaves(rig, client).await
}

#[tokio::test]
async fn a_client_that_left_the_queue_over_http2_costs_nothing() -> Test {
    let rig = Rig::holding(1, 1, 1).await?;
    let client = Client::http2(rig.envoy.address()).await?;
    client_leaves(rig, client).await
}

#[tokio::test]
async fn a_client_that_leaves_while_its_request_runs_frees_its_room() -> Test {
    let rig = Rig::holding(1, 1, 4).await?;
    let leaves = rig.ask().start();
    rig.pods[0].arrival(0).await;
    let stays = rig.ask().start();
    rig.waiting(1).await;
    drop(leaves);
    rig.pods[0].arrival(1).await;
    rig.pods[0].answer(1, done());
    assert_eq!(within("an answer", stays.reply()).await?.status, 200);
    rig.idle().await;
    Ok(())
}

/// One request that fills the pod ends, and all that wait fit at once.
async fn released_at_once(workers: u32) -> Test {
    const WAITING: usize = 2_000;
    allow_many_files();
    let large = |filter: &mut Value| {
        filter["models"] = json!({ "m": {}, "large": {} });
        filter["profiles"]["inline"] = json!([profile(DEPLOYMENT, "m", 2_000), profile(DEPLOYMENT, "large", 1)]);
        filter["pods"]["static"][0]["models"] = json!(["m", "large"]);
    };
    let rig = Rig::start(1, &Plan::Answer(done()), 1, large, |options| options.workers(workers)).await?;
    rig.pods[0].next(Plan::Hold);
    let blocker = rig.client.post(CHAT).json(&json!({ "model": "large", "messages": [] })).start();
    rig.pods[0].arrival(0).await;

    let mut pending = Vec::new();
    for _ in 0..20 {
        let client = Client::http2(rig.envoy.address()).await?;
        pending.extend((0..WAITING / 20).map(|_| client.post(CHAT).json(&chat()).start()));
    }
    rig.waiting(WAITING).await;
    assert_eq!(rig.counts(), [1]);
    rig.pods[0].answer(0, done());
    all_served(pending).await?;
    assert_eq!(within("an answer", blocker.reply()).await?.status, 200);
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn two_thousand_are_released_at_once() -> Test {
    released_at_once(1).await
}

#[tokio::test]
async fn two_thousand_of_several_workers_are_released_at_once() -> Test {
    released_at_once(4).await
}

/// Each request that runs is a connection here and in Envoy, which inherits the limit.
fn allow_many_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the soft limit may be raised to the hard one");
}
