//! Configurations of the filter, in which exactly so many requests fit on a pod.

use laboratory::configuration;
pub use laboratory::configuration::DEPLOYMENT;
use serde_json::{Value, json};

/// As [`configuration::profile`] of the model `m`, by which each request takes a second.
pub fn profile(deployment: &str, fit: u32) -> Value {
    profile_with(deployment, fit, 1.0)
}

/// The same, with another expected end-to-end latency in seconds.
pub fn profile_with(deployment: &str, fit: u32, e2e_s: f64) -> Value {
    configuration::profile(deployment, "m", fit, e2e_s)
}

/// A profile by which no rate meets the objective.
pub fn unattainable(deployment: &str) -> Value {
    configuration::unattainable(deployment, "m")
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
    configuration::entry(address(pod), deployment, "m")
}

/// So many pods, of which each takes `fit` requests at a time. Requests have an objective that leaves a minute.
pub fn filter(pods: usize, fit: u32) -> Value {
    configuration::filter("m", (0..pods).map(address), fit)
}

/// One pod, which takes `fit` requests for the model `m` at a time, or one for `large`.
pub fn with_large(fit: u32) -> Value {
    let mut config = filter(1, fit);
    config["models"] = json!({ "m": {}, "large": {} });
    let profiles = [profile(DEPLOYMENT, fit), configuration::profile(DEPLOYMENT, "large", 1, 1.0)];
    config["profiles"]["inline"] = json!(profiles);
    config["pods"]["static"][0]["models"] = json!(["m", "large"]);
    config
}

/// So many pods that make a token each 25 ms, for a request or ten, by this policy and with this objective per token of output.
pub fn by_token(pods: usize, policy: &str, e2e_per_output_token: &str) -> Value {
    let mut config = filter(pods, 1);
    config["policy"] = json!(policy);
    config["slo"]["default"] = json!({ "e2e_per_output_token": e2e_per_output_token });
    config["profiles"]["correct"] = json!(true);
    let profile = &mut config["profiles"]["inline"][0]["profile"];
    profile["indexes"] = json!([[64, 256], [64, 512]]);
    profile["tputs"] = json!([[5.0, 2.0], [1.5, 0.8]]);
    profile["e2e"] = json!([[1.6, 1.7], [6.4, 6.7]]);
    profile["ttft"] = json!([[0.05, 0.12], [0.05, 0.12]]);
    profile["slos"] = json!({});
    config
}
