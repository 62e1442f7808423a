//! Several gateways before the same pods, which meet in a real Redis behind a real Webdis.

use laboratory::client::{Client, Pending, Request};
use laboratory::gateway::{Envoy, Options, Redis, until};
use laboratory::server::scripted::{Answer, Plan, Pod};
use serde_json::{Value, json};

use crate::common::{CHAT, Test, Turn, chat, pods, turn};

/// The filter's configuration for these pods, by a policy that keeps to their capacity.
fn filter(pods: &[Pod], fit: u32, replicas: &Value) -> Value {
    let mut filter = crate::common::filter(pods, fit);
    filter["policy"] = json!("slo");
    filter["replicas"] = replicas.clone();
    filter
}

/// Gateways, the pods that they share, and where they meet.
struct Replicas {
    gateways: Vec<Gateway>,
    pods: Vec<Pod>,
    redis: Redis,
    _turn: Turn,
}

struct Gateway {
    envoy: Envoy,
    client: Client,
}

// === impl Replicas ===

impl Replicas {
    /// So many gateways with two workers each, before one pod that holds what it gets and takes `fit` requests at a time.
    async fn start(count: usize, fit: u32) -> anyhow::Result<Self> {
        let turn = turn()?;
        let (pods, redis) = (pods(1, &Plan::Hold)?, Redis::start().await?);
        let mut gateways = Vec::new();
        for _ in 0..count {
            let filter = filter(&pods, fit, &json!({ "webdis": { "cluster": "webdis" }, "expire": "1s" }));
            let options = Options::new(filter, pods.iter().map(Pod::address)).workers(2);
            let envoy = Envoy::start(options.cluster("webdis", redis.webdis())).await?;
            let client = Client::http1(envoy.address());
            gateways.push(Gateway { envoy, client });
        }
        let replicas = Self { gateways, pods, redis, _turn: turn };
        replicas.know(count).await;
        Ok(replicas)
    }

    /// Waits until each gateway knows of so many.
    async fn know(&self, count: usize) {
        for gateway in &self.gateways {
            let known = async || gateway.gauge("slo_router_replicas").await == Some(count as f64);
            until(&format!("{count} gateways know of each other"), known).await;
        }
    }

    /// Waits until each has told what it does now, and heard what the others told.
    async fn meet(&self) {
        for _ in 0..2 {
            for gateway in &self.gateways {
                let before = gateway.callouts().await;
                // What is under way may be older; two rounds of two callouts each are not.
                until("the gateways meet", async || gateway.callouts().await >= before + 6).await;
            }
        }
    }

    /// Returns the number of requests that have arrived at the pod.
    fn arrived(&self) -> usize {
        self.pods[0].arrivals().len()
    }
}

// === impl Gateway ===

impl Gateway {
    fn ask(&self) -> Request {
        self.client.post(CHAT).json(&chat())
    }

    fn ask_times(&self, count: usize) -> Vec<Pending> {
        (0..count).map(|_| self.ask().start()).collect()
    }

    async fn gauge(&self, name: &str) -> Option<f64> {
        self.envoy.prometheus().await.ok()?.sum(name, &[("pool", "test")])
    }

    async fn waiting(&self, count: usize) {
        let waiting = async || self.gauge("slo_router_waiting").await == Some(count as f64);
        until(&format!("{count} requests wait"), waiting).await;
    }

    async fn callouts(&self) -> u64 {
        let stats = self.envoy.stats().await.ok();
        stats.and_then(|stats| stats.get("cluster.webdis.upstream_rq_200")).unwrap_or_default()
    }

    async fn errors(&self, reason: &str) -> f64 {
        let labels = [("source", "replicas"), ("reason", reason)];
        let metrics = self.envoy.prometheus().await.ok();
        metrics.and_then(|metrics| metrics.sum("slo_router_source_errors_total", &labels)).unwrap_or_default()
    }

    fn lines(&self, text: &str) -> usize {
        self.envoy.log().lines().filter(|line| line.contains(text)).count()
    }
}

#[tokio::test]
async fn what_one_gateway_runs_is_no_room_for_another() -> Test {
    let replicas = Replicas::start(2, 4).await?;
    let [one, other] = &replicas.gateways[..] else { unreachable!() };
    let _running = one.ask_times(3);
    replicas.pods[0].arrival(2).await;
    replicas.meet().await;
    let _pending = other.ask_times(3);
    other.waiting(2).await;
    replicas.meet().await;
    assert_eq!(replicas.arrived(), 4);

    replicas.pods[0].answer(0, Answer::completion(10, 5));
    replicas.pods[0].arrival(4).await;
    other.waiting(1).await;
    Ok(())
}

#[tokio::test]
async fn gateways_that_fill_a_pod_at_once_overfill_it_by_a_request_each() -> Test {
    let replicas = Replicas::start(3, 12).await?;
    let _pending: Vec<_> = replicas.gateways.iter().map(|gateway| gateway.ask_times(12)).collect();
    replicas.pods[0].arrival(11).await;
    replicas.meet().await;
    assert!(replicas.pods[0].most_running() <= 14, "{}", replicas.pods[0].most_running());
    Ok(())
}

#[tokio::test]
async fn a_dead_gateways_room_is_back_when_its_word_expires() -> Test {
    let mut replicas = Replicas::start(2, 4).await?;
    let _running = replicas.gateways[0].ask_times(4);
    replicas.pods[0].arrival(1).await;
    until("the pod is full", async || replicas.arrived() == 4).await;
    replicas.meet().await;
    let _pending = replicas.gateways[1].ask_times(4);
    replicas.gateways[1].waiting(4).await;
    drop(replicas.gateways.remove(0));
    until("the room is back", async || replicas.arrived() == 8).await;
    replicas.know(1).await;
    Ok(())
}

#[tokio::test]
async fn without_the_store_each_gateway_keeps_to_its_share_and_says_so() -> Test {
    let mut replicas = Replicas::start(2, 4).await?;
    replicas.redis.close().await?;
    replicas.know(0).await;
    let mut pending: Vec<Vec<Pending>> = Vec::new();
    for (number, gateway) in replicas.gateways.iter().enumerate() {
        pending.push(gateway.ask_times(4));
        gateway.waiting(2).await;
        assert_eq!(replicas.arrived(), 2 * (number + 1));
        assert_eq!(gateway.lines("keeps to its share of the pods, 1/2"), 1, "{}", gateway.envoy.log());
        assert!(gateway.errors("no-answer").await + gateway.errors("status").await > 0.0);
    }
    // What waits goes on when the gateways know of each other again, with the room of what left.
    drop(pending.remove(1));
    replicas.gateways[1].waiting(0).await;
    // The pod sees its connections close a little after the gateway does.
    until("the other's requests have left the pod", async || replicas.pods[0].running() == 2).await;
    assert_eq!(replicas.gateways[0].gauge("slo_router_in_flight").await, Some(2.0));
    replicas.redis.open().await?;
    replicas.know(2).await;
    replicas.gateways[0].waiting(0).await;
    until("all requests of the one run", async || replicas.pods[0].running() == 4).await;
    assert!(replicas.pods[0].most_running() <= 4);
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_never_met_another_reckons_with_those_that_are_expected() -> Test {
    let _turn = turn()?;
    let pods = pods(1, &Plan::Hold)?;
    let filter = filter(&pods, 4, &json!({ "webdis": { "cluster": "nowhere" }, "expected": 4 }));
    // A port that nobody listens on.
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let options = Options::new(filter, pods.iter().map(Pod::address)).cluster("nowhere", nowhere);
    let envoy = Envoy::start(options).await?;
    let gateway = Gateway { client: Client::http1(envoy.address()), envoy };
    until("the store was missed", async || gateway.lines("keeps to its share of the pods, 1/4") == 1).await;
    let _pending = gateway.ask_times(3);
    gateway.waiting(2).await;
    assert_eq!(pods[0].arrivals().len(), 1);
    Ok(())
}

#[tokio::test]
async fn bad_words_are_told_and_do_no_harm() -> Test {
    let replicas = Replicas::start(2, 4).await?;
    let huge = "A".repeat(300_000);
    for (slot, bad) in ["not a digest", "", "AAAA", "AwAAAA", &huge].into_iter().enumerate() {
        replicas.redis.set(&format!("slo-router:2:test:{}", 10 + slot), bad)?;
    }
    let [one, other] = &replicas.gateways[..] else { unreachable!() };
    until("the bad ones are told", async || other.errors("partial").await > 0.0).await;
    let _running = one.ask_times(3);
    replicas.pods[0].arrival(2).await;
    replicas.meet().await;
    let _pending = other.ask_times(3);
    other.waiting(2).await;
    assert_eq!(replicas.arrived(), 4);
    assert_eq!(other.gauge("slo_router_replicas").await, Some(2.0));
    // A look may have come while they were being written; of all five it is told once.
    let told = other.lines("slot 10: no digest; slot 11: no digest; ");
    let whole = other.lines("slot 13: a digest of version 3, expected 2; slot 14: a digest of 300000 characters");
    assert!(whole == 1 && told <= 5, "{}", other.envoy.log());
    Ok(())
}

/// Without giving way the gateway whose request ended would take the room each time. With it, it does so where the other one
/// hears of the room too late: on a busy machine now and then.
#[tokio::test]
async fn a_gateway_gives_way_to_a_more_urgent_request_of_another() -> Test {
    const ROUNDS: usize = 5;
    let replicas = Replicas::start(2, 1).await?;
    let [one, other] = &replicas.gateways[..] else { unreachable!() };
    let named = |gateway: &Gateway, name: &str, e2e_ms: u32| {
        let urgency = e2e_ms.to_string();
        gateway.ask().header("x-test-name", name).header("x-slo-e2e-ms", &urgency).start()
    };
    let mut urgent_first = 0;
    for round in 0..ROUNDS {
        let first = 3 * round;
        let _running = one.ask().start();
        replicas.pods[0].arrival(first).await;
        replicas.meet().await;
        let _patient = named(one, "patient", 60_000);
        let _urgent = named(other, "urgent", 20_000);
        one.waiting(1).await;
        other.waiting(1).await;
        replicas.meet().await;
        replicas.pods[0].answer(first, Answer::completion(10, 5));
        let next = replicas.pods[0].arrival(first + 1).await;
        urgent_first += usize::from(next.header("x-test-name") == Some("urgent"));
        replicas.pods[0].answer(first + 1, Answer::completion(10, 5));
        replicas.pods[0].arrival(first + 2).await;
        replicas.pods[0].answer(first + 2, Answer::completion(10, 5));
        one.waiting(0).await;
        other.waiting(0).await;
    }
    assert!(urgent_first > 0, "the urgent one never went first");
    Ok(())
}

#[tokio::test]
async fn gateways_that_start_at_once_find_a_slot_each() -> Test {
    let _turn = turn()?;
    let (pods, redis) = (pods(1, &Plan::Hold)?, Redis::start().await?);
    let start = || {
        let filter = filter(&pods, 4, &json!({ "webdis": { "cluster": "webdis" }, "slots": 3 }));
        Envoy::start(Options::new(filter, pods.iter().map(Pod::address)).cluster("webdis", redis.webdis()))
    };
    let (one, two, three) = tokio::try_join!(start(), start(), start())?;
    for envoy in [&one, &two, &three] {
        let known = async || envoy.prometheus().await.ok()?.sum("slo_router_replicas", &[("pool", "test")]);
        until("three know of each other", async || known().await == Some(3.0)).await;
    }
    Ok(())
}
