//! Some gateways, and what came of a load on them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use super::pods::{Pods, tokens};
use super::{Arrival, Load};
use crate::client::Client;
use crate::configuration::{self, DEPLOYMENT};
use crate::gateway::{Envoy, Options, Redis, until};
use crate::load::{Step, open};
use crate::percentiles::quantile;
use crate::server::simulated::{Excess, OUTPUT_HEADER};

/// So many gateways, and how they meet.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Arm {
    /// Number of gateways.
    pub gateways: usize,
    /// Way in which they meet.
    pub meet: Meet,
}

/// Way in which gateways know of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Meet {
    /// Not at all: each takes the pods for its own.
    Never,
    /// Through Redis.
    Redis,
    /// They met, but the Redis is out of reach now.
    Away,
}

/// Result of the load.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Outcome {
    /// Requests.
    pub requests: usize,
    /// Share of them that kept their objective.
    pub kept: f64,
    /// Latency that half of them did not exceed.
    pub p50_s: f64,
    /// Latency that all but one in a hundred did not exceed.
    pub p99_s: f64,
    /// Excess of what ran on pods over what they sustain.
    pub excess: Excess,
    /// The same, as a share of the pods' time.
    pub overfull_share: f64,
    /// Callouts of each gateway.
    pub callouts_per_s: f64,
}

// === impl Arm ===

impl Arm {
    /// As the report calls it.
    pub fn name(self) -> String {
        let how = match self.meet {
            _ if self.gateways == 1 => return "1 gateway".to_owned(),
            Meet::Never => "that know nothing of each other",
            Meet::Redis => "that meet",
            Meet::Away => "with the store away",
        };
        format!("{} gateways {how}", self.gateways)
    }

    /// Runs a load on it, where a request may take `most`.
    ///
    /// # Errors
    /// Where a gateway does not start, or a request is not answered by 200.
    pub async fn run(self, load: Load, arrivals: &[Arrival], policy: &str, most: Duration) -> Result<Outcome> {
        let pods = Pods::start(load.pods, load.fit)?;
        let mut redis = Redis::start().await?;
        let mut envoys = Vec::new();
        for _ in 0..self.gateways {
            let filter = self.filter(load, &pods, policy, most);
            let options = Options::new(filter, pods.addresses().iter().copied());
            envoys.push(Envoy::start(options.cluster("webdis", redis.webdis())).await?);
        }
        if self.meet != Meet::Never {
            know(&envoys, self.gateways).await;
        }
        if self.meet == Meet::Away {
            redis.close().await?;
            know(&envoys, 0).await;
        }
        let before = callouts(&envoys).await?;
        let start = Instant::now();
        let latencies = send(&envoys, arrivals).await?;
        let wall_s = start.elapsed().as_secs_f64();
        let callouts = callouts(&envoys).await? - before;
        let excess = pods.excess();
        let kept = latencies.iter().filter(|latency| **latency <= most).count();
        let at = |share| quantile(&latencies, share).unwrap_or_default().as_secs_f64();
        Ok(Outcome {
            requests: latencies.len(),
            kept: kept as f64 / latencies.len().max(1) as f64,
            p50_s: at(0.5),
            p99_s: at(0.99),
            excess,
            overfull_share: excess.seconds / (wall_s * load.pods as f64),
            callouts_per_s: callouts as f64 / wall_s / self.gateways as f64,
        })
    }

    fn filter(self, load: Load, pods: &Pods, policy: &str, most: Duration) -> Value {
        let mut filter = configuration::filter("llama", pods.addresses(), load.fit);
        filter["policy"] = json!(policy);
        filter["slo"]["default"]["e2e"] = json!(format!("{}ms", most.as_millis()));
        filter["profiles"]["inline"] = json!([configuration::profile(DEPLOYMENT, "llama", load.fit, load.service_s)]);
        let profile = &mut filter["profiles"]["inline"][0]["profile"];
        (profile["ttft"], profile["tpot"]) = (json!([[load.service_s]]), json!([[0.0]]));
        profile["slos"]["e2e"] = json!(most.as_secs_f64());
        if self.meet != Meet::Never {
            filter["replicas"] = json!({"webdis": {"cluster": "webdis"}, "expected": self.gateways});
        }
        filter
    }
}

/// Waits until each gateway knows of so many.
async fn know(envoys: &[Envoy], count: usize) {
    for envoy in envoys {
        until("the gateways know of each other", async || {
            let metrics = envoy.prometheus().await.ok();
            metrics.and_then(|metrics| metrics.sum("slo_router_replicas", &[])) == Some(count as f64)
        })
        .await;
    }
}

/// Sends requests when they are due; the time that each took, ascending.
async fn send(envoys: &[Envoy], arrivals: &[Arrival]) -> Result<Vec<Duration>> {
    let clients: Vec<Client> = envoys.iter().map(|envoy| Client::http1(envoy.address())).collect();
    let body = json!({"model": "llama", "messages": [{"role": "user", "content": "Go on."}]});
    let dues: Vec<Duration> = arrivals.iter().map(|arrival| arrival.at).collect();
    let exchange = |number: usize, due: tokio::time::Instant| {
        let Arrival { work, chance, .. } = arrivals[number];
        let request = clients[chance as usize % clients.len()].post("/v1/chat/completions").json(&body);
        let request = request.header(OUTPUT_HEADER, &tokens(work).to_string()).send();
        async move {
            let reply = request.await?;
            ensure!(reply.status == 200, "a gateway answered {}: {}", reply.status, reply.text());
            Ok(due.elapsed())
        }
    };
    let mut latencies = Vec::new();
    open(&dues, exchange, |step| {
        if let Step::Ended(_, latency) = step {
            latencies.push(latency);
        }
        None
    })
    .await;
    let mut latencies = latencies.into_iter().collect::<Result<Vec<_>>>()?;
    latencies.sort_unstable();
    Ok(latencies)
}

async fn callouts(envoys: &[Envoy]) -> Result<u64> {
    let mut sum = 0;
    for envoy in envoys {
        sum += envoy.stats().await?.get("cluster.webdis.upstream_rq_total").unwrap_or_default();
    }
    Ok(sum)
}
