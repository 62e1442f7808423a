//! Configurations of the filter in which exactly so many requests fit on a pod.

use serde_json::{Value, json};

/// The deployment of all pods, unless something else is said.
pub const DEPLOYMENT: &str = "default/a";

/// Returns a deployment's profile, the same for every request for this model: so many fit on a pod
/// at a time, and each is expected to take this long, in seconds.
pub fn profile(deployment: &str, model: &str, fit: u32, e2e_s: f64) -> Value {
    let mut entry = unattainable(deployment, model);
    entry["profile"]["tputs"] = json!([[f64::from(fit) / e2e_s]]);
    entry["profile"]["e2e"] = json!([[e2e_s]]);
    entry
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

/// A pod as a pod document names it.
pub fn entry(address: impl ToString, deployment: &str, model: &str) -> Value {
    json!({ "address": address.to_string(), "deployment": deployment, "models": [model] })
}

/// A configuration for pods at these addresses, of which each takes `fit` requests for this model at a time. Requests have
/// an objective that leaves a minute.
pub fn filter(model: &str, addresses: impl IntoIterator<Item = impl ToString>, fit: u32) -> Value {
    json!({
        "pool": "test",
        "policy": "slo",
        "slo": { "default": { "e2e": "60s" } },
        "models": { model: {} },
        "default_model": model,
        "profiles": { "correct": false, "inline": [profile(DEPLOYMENT, model, fit, 1.0)] },
        "pods": { "static": addresses.into_iter().map(|address| entry(address, DEPLOYMENT, model)).collect::<Vec<_>>() },
    })
}
