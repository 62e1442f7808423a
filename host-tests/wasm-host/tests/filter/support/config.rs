//! Configurations of the filter, in which exactly so many requests fit on a pod.

use serde_json::{Value, json};

/// The deployment of all pods, unless a test says otherwise.
pub const DEPLOYMENT: &str = "default/a";

/// Returns a deployment's profile, the same for every request for the model `m`: so many fit on a
/// pod at a time, and each is expected to take a second.
pub fn profile(deployment: &str, fit: u32) -> Value {
    profile_with(deployment, fit, 1.0)
}

/// The same, with another expected end-to-end latency in seconds.
pub fn profile_with(deployment: &str, fit: u32, e2e_s: f64) -> Value {
    let mut entry = unattainable(deployment);
    entry["profile"]["tputs"] = json!([[f64::from(fit) / e2e_s]]);
    entry["profile"]["e2e"] = json!([[e2e_s]]);
    entry
}

/// A profile by which no rate meets the objective.
pub fn unattainable(deployment: &str) -> Value {
    json!({
        "deployment": deployment,
        "model": "m",
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

/// A profile document.
pub fn document(profiles: &[Value]) -> String {
    json!({ "profiles": profiles }).to_string()
}

/// Returns the address of the pod of that number, from zero.
pub fn address(pod: usize) -> String {
    format!("10.0.0.{}:8000", pod + 1)
}

/// A pod as a pod document names it.
pub fn entry(pod: usize, deployment: &str) -> Value {
    json!({ "address": address(pod), "deployment": deployment, "models": ["m"] })
}

/// So many pods, of which each takes `fit` requests at a time. Requests have an objective that leaves a minute.
pub fn filter(pods: usize, fit: u32) -> Value {
    json!({
        "pool": "test",
        "policy": "slo",
        "slo": { "default": { "e2e": "60s" } },
        "models": { "m": {} },
        "default_model": "m",
        "profiles": { "correct": false, "inline": [profile(DEPLOYMENT, fit)] },
        "pods": { "static": (0..pods).map(|pod| entry(pod, DEPLOYMENT)).collect::<Vec<_>>() },
    })
}
