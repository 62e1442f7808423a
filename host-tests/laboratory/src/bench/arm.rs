//! Arms of the comparison.

use std::env;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::gateway::{Options, find, path};

/// One Envoy of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// The shipped configuration without the filter.
    Plain,
    /// With a filter that makes the calls of the next arm's, and does nothing.
    CallsOnly,
    /// With the filter, which reads the bodies of requests.
    Body,
    /// The same, and prompts are not hashed.
    Unhashed,
    /// With the filter, which reads their headers only.
    Headers,
}

// === impl Arm ===

impl Arm {
    /// All of them; the first is what the others are compared with.
    pub const ALL: [Self; 5] = [Self::Plain, Self::CallsOnly, Self::Body, Self::Unhashed, Self::Headers];

    /// As the report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "without the filter",
            Self::CallsOnly => "the same calls, no work",
            Self::Body => "inspect: body",
            Self::Unhashed => "… with prefix: off",
            Self::Headers => "inspect: headers",
        }
    }

    /// Returns `true` if it is the filter itself, which has a target to meet.
    pub fn is_filter(self) -> bool {
        matches!(self, Self::Body | Self::Unhashed | Self::Headers)
    }

    /// Its Envoy: the shipped configuration, one worker, and this policy.
    ///
    /// # Errors
    /// Where `CALLS_ONLY_WASM` does not name the filter that does nothing.
    pub fn options(self, policy: &str, pods: &[SocketAddr]) -> Result<Options> {
        let inspect = if self == Self::Headers { "headers" } else { "body" };
        let mut filter = filter(inspect, policy, pods);
        if self == Self::Unhashed {
            filter["prefix"] = json!("off");
        }
        let options = Options::new(filter, pods.iter().copied());
        Ok(match self {
            Self::Body | Self::Unhashed | Self::Headers => options,
            Self::CallsOnly => {
                let file = env::var("CALLS_ONLY_WASM").context("CALLS_ONLY_WASM is not set; make bench sets it")?;
                options.change(move |config| {
                    *find(find(config, path::PLUGIN), "vm_config/code/local/filename") = file.clone().into();
                })
            }
            Self::Plain => options.change(|config| {
                let filters = find(config, path::HTTP_FILTERS).as_sequence_mut();
                filters.into_iter().for_each(|filters| filters.retain(|filter| filter["name"] != "slo-router"));
            }),
        })
    }
}

/// Two deployments with profiles, as in the shipped configuration. A pod takes a thousand requests at once, so nothing
/// ever waits.
fn filter(inspect: &str, policy: &str, pods: &[SocketAddr]) -> Value {
    let deployment = |index: usize| if index == 0 { "default/llama-a10" } else { "default/llama-l20" };
    let cells = |value: f64| json!([[value, value], [value, value]]);
    let profile = |gpu: &str| {
        json!({"profile": {
            "gpu": gpu, "cost": 1.0, "indexes": [[16, 512], [64, 4096]],
            "tputs": cells(1000.0), "e2e": cells(1.0), "ttft": cells(0.1), "tpot": cells(0.02),
            "slos": {"e2e_per_output_token": 0.05, "percentile": 99},
        }, "deployment": format!("default/{gpu}")})
    };
    let pod = |(index, address): (usize, &SocketAddr)| json!({"address": address, "deployment": deployment(index)});
    json!({
        "pool": "bench",
        "policy": policy,
        "request": {"inspect": inspect},
        "default_model": "llama",
        "slo": {"default": {"e2e_per_output_token": "50ms"}},
        "profiles": {"inline": [profile("llama-a10"), profile("llama-l20")]},
        "pods": {"static": pods.iter().enumerate().map(pod).collect::<Vec<_>>()},
    })
}
