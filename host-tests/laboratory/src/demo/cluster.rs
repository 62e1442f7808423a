//! The pods and the Envoy of one run.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::cluster::{GPUS, MODEL, deployment};
use crate::engine::{EngineSpec, Gpu};
use crate::gateway::{Envoy, Options, find};
use crate::server::Servers;
use crate::server::simulated::{self, PodOptions};
use crate::workload::Class;

/// Fresh pods with a fresh Envoy in front; all are gone when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    envoy: Envoy,
    _pods: Servers,
}

// === impl Cluster ===

impl Cluster {
    /// Starts it with this policy and this many Envoy workers.
    ///
    /// # Errors
    /// Where a pod cannot listen, or Envoy does not start or refuses its configuration.
    pub async fn start(policy: &str, workers: u32, profiles: &Path) -> Result<Self> {
        let pods = start_pods()?;
        let addresses = pods.addresses();
        let file = fs::canonicalize(profiles)?.display().to_string();
        let options = Options::new(filter(policy, addresses), addresses.iter().copied())
            .workers(workers)
            .change(move |config| *find(config, PROFILES_FILE) = file.as_str().into());
        let envoy = Envoy::start(options).await.with_context(|| format!("the gateway with policy {policy}"))?;
        Ok(Self { envoy, _pods: pods })
    }

    /// Returns the address that requests go to.
    pub fn address(&self) -> SocketAddr {
        self.envoy.address()
    }

    /// Ends Envoy as an operator does.
    ///
    /// # Errors
    /// Where it had crashed; the error carries its log.
    pub async fn stop(self) -> Result<()> {
        self.envoy.stop().await?;
        Ok(())
    }
}

/// The name that the pods serve.
pub const SERVED_MODEL: &str = "llama";

/// Place in the shipped configuration that names the file that the profiles' listener serves.
const PROFILES_FILE: &str = "static_resources/listeners/profiles/filter_chains/0/filters/0/typed_config/route_config/\
                             virtual_hosts/0/routes/0/direct_response/body/filename";

fn start_pods() -> Result<Servers> {
    let options = |gpu: Gpu| {
        let spec = EngineSpec::new(gpu, MODEL).with_context(|| format!("the model does not fit a {}", gpu.name()))?;
        Ok(PodOptions { served_model: SERVED_MODEL.into(), ..PodOptions::new(spec) })
    };
    let options = GPUS.into_iter().map(options).collect::<Result<_>>()?;
    simulated::start(options).context("cannot start the pods")
}

/// The filter's configuration.
fn filter(policy: &str, addresses: &[SocketAddr]) -> Value {
    let pod = |(address, gpu): (&SocketAddr, Gpu)| json!({"address": address, "deployment": deployment(gpu)});
    let pods: Vec<_> = addresses.iter().zip(GPUS).map(pod).collect();
    let class = |class: Class| json!({"name": class.name(), "header": {"name": "x-class", "value": class.name()}});
    json!({
        "pool": "demo",
        "policy": policy,
        "classes": Class::DEMO.map(class),
        // The profiles state the objective that they were measured for, and a model's goes before it.
        "models": {SERVED_MODEL: {"slo": {"ttft": "2s", "tpot": "50ms"}}},
        "profiles": {"http": {"cluster": "profiles", "path": "/profiles.json"}},
        "pods": {"static": pods},
    })
}
