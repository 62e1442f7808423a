//! Helpers that the tests share.

mod rig;
mod turn;

use laboratory::server::scripted::{Plan, Pod};
use serde_json::{Value, json};

pub use self::rig::Rig;
pub use self::turn::{Turn, turn};

/// Result of a test.
pub type Test = anyhow::Result<()>;

/// Path of chat requests.
pub const CHAT: &str = "/v1/chat/completions";

/// The deployment of all pods, unless a test says otherwise.
pub const DEPLOYMENT: &str = "default/a";

/// Returns a deployment's profile, the same for every request for this model: so many fit on a pod
/// at a time, and each is expected to take one second.
pub fn profile(deployment: &str, model: &str, fit: u32) -> Value {
    let mut document = unattainable(deployment, model);
    document["profile"]["tputs"] = json!([[fit]]);
    document
}

/// A profile by which no rate meets the objective.
pub fn unattainable(deployment: &str, model: &str) -> Value {
    json!({
        "deployment": deployment,
        "model": model,
        "profile": {
            "gpu": "any",
            "cost": 1.0,
            "indexes": [[64], [64]],
            "tputs": [[0]],
            "e2e": [[1.0]],
            "ttft": [[0.25]],
            "slos": { "percentile": 99, "e2e": 60.0 },
        },
    })
}

/// The filter's configuration for these pods, of which each takes `fit` requests at a time. Requests have an objective
/// that leaves a minute.
pub fn filter(pods: &[Pod], fit: u32) -> Value {
    json!({
        "pool": "test",
        "policy": "slo",
        "slo": { "default": { "e2e": "60s" } },
        "models": { "m": {} },
        "default_model": "m",
        "profiles": { "correct": false, "inline": [profile(DEPLOYMENT, "m", fit)] },
        "pods": { "static": pods.iter().map(|pod| entry(pod, DEPLOYMENT, "m")).collect::<Vec<_>>() },
    })
}

/// A pod as a pod document names it.
pub fn entry(pod: &Pod, deployment: &str, model: &str) -> Value {
    json!({ "address": pod.address().to_string(), "deployment": deployment, "models": [model] })
}

/// So many pods that follow this plan.
pub fn pods(count: usize, plan: &Plan) -> std::io::Result<Vec<Pod>> {
    (0..count).map(|_| Pod::start(plan.clone())).collect()
}

/// A chat request.
pub fn chat() -> Value {
    json!({ "model": "m", "messages": [{ "role": "user", "content": "Say hello." }] })
}
