//! Cost to an Envoy of looking at the other gateways: one real Envoy, and a store that holds the
//! digests of the others.
//!
//! Two Envoys run side by side, alike but for `replicas`. First both idle: what the one takes more, divided by its looks, is what
//! a look costs. Then each serves a closed loop of requests in its turn: what a request costs more where others are known.

mod store;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::json;

pub use self::store::Store;
use super::cpu;
use crate::configuration;
use crate::gateway::{Envoy, Options, until};
use crate::load::closed as load;
use crate::server::instant;

/// So many gateways before so many pods, of which one is measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Scene {
    /// Number of gateways.
    pub gateways: usize,
    /// Number of pods, all of which are busy.
    pub pods: usize,
}

/// Length of the measurement, and how the gateway looks.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Setup {
    /// Turns of each kind.
    pub rounds: usize,
    /// Length of a turn.
    pub turn: Duration,
    /// Time between two looks.
    pub interval: Duration,
    /// Requests under way at once in the turns that have some.
    pub concurrency: usize,
}

/// Result of one turn.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Turn {
    /// CPU time of Envoy, all its threads, for a look, its word to the others included.
    pub cpu_us_per_look: f64,
    /// Looks, while nothing else was to be done.
    pub looks_per_s: f64,
    /// CPU time for a request where the others are known, divided by that where there are none.
    pub cpu_of_requests: f64,
}

/// Result of a scene.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The scene.
    pub scene: Scene,
    /// Bytes that one look reads.
    pub look_bytes: usize,
    /// The turns.
    pub turns: Vec<Turn>,
}

// === impl Scene ===

impl Scene {
    /// Measures one gateway of the scene.
    ///
    /// # Errors
    /// Where an Envoy does not start, or does not answer.
    pub async fn measure(self, setup: Setup) -> Result<Outcome> {
        ensure!((1..=256).contains(&self.gateways), "{} gateways are not within 1 and 256", self.gateways);
        let pods = instant::start(1)?;
        let store = Store::start(self)?;
        // A pod of its own that takes anything: where others' digests speak of other pods, nothing waits.
        let filter = configuration::filter("llama", pods.addresses(), 1_000);
        let alone = Envoy::start(Options::new(filter.clone(), pods.addresses().iter().copied())).await?;
        let mut known = filter;
        known["replicas"] = json!({
            "webdis": {"cluster": "webdis"}, "expected": self.gateways, "slots": self.gateways,
            "interval": format!("{}ms", setup.interval.as_millis()), "expire": "10s",
        });
        let together =
            Envoy::start(Options::new(known, pods.addresses().iter().copied()).cluster("webdis", store.address()))
                .await?;
        // A request makes a worker take its seat; only then it counts.
        for envoy in [&alone, &together] {
            load::run(envoy.address(), load::PROMPT_BYTES, setup.concurrency, Duration::from_millis(500)).await?;
        }
        until("the gateway knows of the others", async || {
            let metrics = together.prometheus().await.ok();
            metrics.and_then(|metrics| metrics.sum("slo_router_replicas", &[])) == Some(self.gateways as f64)
        })
        .await;
        let mut turns = Vec::new();
        for _ in 0..setup.rounds {
            turns.push(turn(&alone, &together, &store, setup).await?);
        }
        Ok(Outcome { scene: self, look_bytes: store.look_bytes(), turns })
    }
}

async fn turn(alone: &Envoy, together: &Envoy, store: &Store, setup: Setup) -> Result<Turn> {
    let (before, looks) = ([spent(alone)?, spent(together)?], store.looks());
    tokio::time::sleep(setup.turn).await;
    let (after, looks) = ([spent(alone)?, spent(together)?], (store.looks() - looks) as f64);
    ensure!(looks > 0.0, "no look in {:?}", setup.turn);
    let more = (after[1] - before[1]).saturating_sub(after[0] - before[0]);
    let mut of_requests = [0.0; 2];
    for (envoy, of_request) in [alone, together].into_iter().zip(&mut of_requests) {
        let before = spent(envoy)?;
        let served = load::run(envoy.address(), load::PROMPT_BYTES, setup.concurrency, setup.turn).await?;
        *of_request = (spent(envoy)? - before).as_secs_f64() / served.latencies.len() as f64;
    }
    Ok(Turn {
        cpu_us_per_look: more.as_secs_f64() * 1e6 / looks,
        looks_per_s: looks / setup.turn.as_secs_f64(),
        cpu_of_requests: of_requests[1] / of_requests[0],
    })
}

fn spent(envoy: &Envoy) -> Result<Duration> {
    cpu::of_threads(envoy.pid().context("Envoy has ended")?)
}
