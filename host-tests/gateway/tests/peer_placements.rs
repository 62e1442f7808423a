//! Conversations before several gateways: their turns go to the pod that has their history, whichever gateway they come to.

use std::time::Duration;

use laboratory::client::Client;
use laboratory::gateway::{Envoy, Options, Redis, until};
use laboratory::server::scripted::Pod;
use serde_json::json;
use tokio::time::sleep;

use crate::common::{CHAT, Test, filter, turn};
use crate::prefixes::{SESSION, conversation, server_with_a_cache};

const PODS: usize = 4;
const CONVERSATIONS: usize = 16;

/// Longer than what gateways tell each other takes to reach all their workers: they meet every 100 ms.
const MEETING: Duration = Duration::from_millis(800);

/// Longer than the time after which a worker tells the others that a request has ended.
const ENDED: Duration = Duration::from_millis(60);

struct Gateways {
    gateways: Vec<(Envoy, Client)>,
    pods: Vec<Pod>,
}

// === impl Gateways ===

impl Gateways {
    /// Two of two workers each, before pods that cache, with this secret.
    async fn start(redis: &Redis, secret: Option<&str>) -> anyhow::Result<Self> {
        let pods = (0..PODS).map(|_| Pod::start(server_with_a_cache())).collect::<std::io::Result<Vec<_>>>()?;
        let mut gateways = Vec::new();
        for _ in 0..2 {
            let mut filter = filter(&pods, 8);
            filter["policy"] = json!("lmetric");
            filter["replicas"] = json!({ "webdis": { "cluster": "webdis" } });
            if let Some(secret) = secret {
                filter["replicas"]["secret"] = json!(secret);
            }
            let options = Options::new(filter, pods.iter().map(Pod::address)).workers(2);
            let envoy = Envoy::start(options.cluster("webdis", redis.webdis())).await?;
            let client = Client::http1(envoy.address());
            gateways.push((envoy, client));
        }
        for (envoy, _) in &gateways {
            let known = async || envoy.prometheus().await.ok()?.sum("slo_router_replicas", &[("pool", "test")]);
            until("the gateways know of each other", async || known().await == Some(2.0)).await;
        }
        Ok(Self { gateways, pods })
    }

    /// Has a turn of a conversation served by a gateway; returns its pod.
    async fn ask(&self, gateway: usize, number: usize, turn: usize) -> anyhow::Result<usize> {
        let counts = || self.pods.iter().map(|pod| pod.arrivals().len()).collect::<Vec<_>>();
        let before = counts();
        let request = self.gateways[gateway].1.post(CHAT).header(SESSION, &number.to_string());
        let reply = request.json(&conversation(number, turn)).send().await?;
        assert_eq!(reply.status, 200, "{}", reply.text());
        sleep(ENDED).await;
        Ok(counts().iter().zip(before).position(|(after, before)| *after > before).unwrap_or(PODS))
    }

    /// Counts the conversations of which the second turn, which comes to the other gateway, goes where the first one went.
    async fn stay(&self) -> anyhow::Result<usize> {
        // That servers cache at all is known once one has said that it found something.
        for gateway in 0..2 {
            for _ in 0..2 * PODS {
                self.ask(gateway, 1_000, 0).await?;
            }
        }
        sleep(MEETING).await;
        let mut homes = Vec::new();
        for number in 0..CONVERSATIONS {
            homes.push(self.ask(number % 2, number, 0).await?);
        }
        sleep(MEETING).await;
        let mut stayed = 0;
        for (number, home) in homes.into_iter().enumerate() {
            stayed += usize::from(self.ask((number + 1) % 2, number, 1).await? == home);
        }
        for (envoy, _) in &self.gateways {
            let labels = [("source", "replicas")];
            let errors = envoy.prometheus().await.ok().and_then(|it| it.sum("slo_router_source_errors_total", &labels));
            assert_eq!(errors.unwrap_or_default(), 0.0, "{}", envoy.log());
        }
        Ok(stayed)
    }
}

#[tokio::test]
async fn the_next_turn_goes_to_the_same_pod_though_it_comes_to_another_gateway() -> Test {
    let _turn = turn()?;
    let redis = Redis::start().await?;
    let stayed = Gateways::start(&redis, Some(&"5e".repeat(32))).await?.stay().await?;
    println!("{stayed} of {CONVERSATIONS} with a secret");
    assert!(stayed * 10 >= CONVERSATIONS * 8, "{stayed} of {CONVERSATIONS} stayed");
    Ok(())
}

#[tokio::test]
async fn without_a_secret_gateways_do_not_know_where_others_sent_prompts() -> Test {
    let _turn = turn()?;
    let redis = Redis::start().await?;
    let stayed = Gateways::start(&redis, None).await?.stay().await?;
    println!("{stayed} of {CONVERSATIONS} without a secret");
    assert!(stayed * 10 <= CONVERSATIONS * 7, "{stayed} of {CONVERSATIONS} stayed");
    Ok(())
}
