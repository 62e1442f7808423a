//! What the tests share.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use gateway::backend::{Plan, Pod};
use gateway::{Envoy, Options};
use serde_json::{Value, json};

/// How many Envoys run side by side, in all test processes: more would slow each other down.
const SIDE_BY_SIDE: usize = 2;

/// The right to run an Envoy, for as long as it lives.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "its lock is the right")] File);

/// Waits for one's turn.
pub fn turn() -> io::Result<Turn> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(directory)?;
    let open = |number| File::create(directory.join(format!("envoy-{number}.lock")));
    for number in 0..SIDE_BY_SIDE {
        let file = open(number)?;
        if file.try_lock().is_ok() {
            return Ok(Turn(file));
        }
    }
    let file = open(std::process::id() as usize % SIDE_BY_SIDE)?;
    file.lock()?;
    Ok(Turn(file))
}

/// The deployment of all pods, unless a test says otherwise.
pub const DEPLOYMENT: &str = "default/a";

/// A profile of one cell, by which so many requests fit on a pod and each is expected to take `latency_s`.
pub fn profile(deployment: &str, fit: u32, latency_s: f64) -> Value {
    let rate_per_s = f64::from(fit) / latency_s;
    json!({
        "deployment": deployment,
        "profile": {
            "gpu": deployment,
            "cost": 1.0,
            "indexes": [[64], [64]],
            "tputs": [[rate_per_s]],
            "e2e": [[latency_s]],
            "ttft": [[latency_s / 4.0]],
            "slos": { "percentile": 99, "e2e": 60.0 },
        },
    })
}

/// The filter's configuration for these pods, of which each takes `fit` requests at a time.
pub fn filter(pods: &[Pod], fit: u32) -> Value {
    let pod = |pod: &Pod| json!({ "address": pod.address().to_string(), "deployment": DEPLOYMENT });
    json!({
        "pool": "test",
        "slo": { "default": { "e2e": "60s" } },
        "models": { "m": {} },
        "default_model": "m",
        "profiles": { "inline": [profile(DEPLOYMENT, fit, 1.0)] },
        "pods": { "static": pods.iter().map(pod).collect::<Vec<_>>() },
    })
}

/// So many pods that follow this plan.
pub fn pods(count: usize, plan: &Plan) -> io::Result<Vec<Pod>> {
    (0..count).map(|_| Pod::start(plan.clone())).collect()
}

/// Starts Envoy with this filter configuration in front of these pods.
pub async fn start(filter: Value, pods: &[Pod], workers: u32) -> Result<Envoy, gateway::Error> {
    Envoy::start(options(filter, pods).workers(workers)).await
}

/// What [`start`] starts, with one worker.
pub fn options(filter: Value, pods: &[Pod]) -> Options {
    Options::new(filter, pods.iter().map(Pod::address))
}

/// A chat request.
pub fn chat() -> Value {
    json!({ "model": "m", "messages": [{ "role": "user", "content": "Say hello." }] })
}
