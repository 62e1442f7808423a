//! The pods of a scenario.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use slo_router_pods::engine::{Engine, EngineSpec, Gpu, Model};

use crate::server::Server;

/// A pod's server, by the pod and the run's seed; `None` where the model does not fit the GPU.
pub type ServerOf = Arc<dyn Fn(&Pod, u64) -> Option<Box<dyn Server>> + Send + Sync>;

/// Who serves.
#[derive(Clone)]
pub struct Cluster {
    /// All pods; those of one deployment stand together.
    pub pods: Vec<Pod>,
    /// What all of them serve.
    pub model: Model,
    server: ServerOf,
    /// What is special about its servers, in words; nothing about those of [`batching`].
    special: Option<&'static str>,
}

/// An upstream endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Its position in the cluster.
    pub position: usize,
    /// What it runs on.
    pub gpu: Gpu,
    /// Its deployment, `namespace/name`, as the profiles name it.
    pub deployment: String,
    /// What an operator would weigh it with for `weighted-least-request`; relative.
    pub weight: f64,
}

// === impl Cluster ===

impl Cluster {
    /// One pod for each of `gpus` with its weight, in deployments `default/llama-GPU`, that serve by continuous batching.
    pub fn new(gpus: &[(Gpu, f64)], model: Model) -> Self {
        let pod = |(position, &(gpu, weight))| Pod {
            position,
            gpu,
            deployment: evaluation::cluster::deployment(gpu),
            weight,
        };
        Self { pods: gpus.iter().enumerate().map(pod).collect(), model, server: batching(model), special: None }
    }

    /// The same pods with servers of another kind, which `special` describes.
    #[must_use]
    pub fn served_by(self, special: &'static str, server: ServerOf) -> Self {
        Self { server, special: Some(special), ..self }
    }

    /// Whether its servers are those of [`batching`], as the [bound](crate::bound) assumes.
    pub fn is_plain(&self) -> bool {
        self.special.is_none()
    }

    /// A server for each pod.
    ///
    /// # Errors
    /// Where the model does not fit a GPU.
    pub fn servers(&self, seed: u64) -> Result<Vec<Box<dyn Server>>> {
        let server = |pod: &Pod| {
            (self.server)(pod, seed).with_context(|| format!("the model does not fit the {}", pod.gpu.name()))
        };
        self.pods.iter().map(server).collect()
    }

    /// What runs on what, in words: `7b-fp16-mha on a10 l20 l20, 30 % slower than profiled`.
    pub fn describe(&self) -> String {
        let gpus: Vec<_> = self.pods.iter().map(|pod| pod.gpu.name()).collect();
        let special = self.special.map(|words| format!(", {words}")).unwrap_or_default();
        format!("{} on {}{special}", self.model.name(), gpus.join(" "))
    }
}

/// The engine of [`slo_router_pods::engine`]; it draws nothing, so the seed does not show.
pub fn batching(model: Model) -> ServerOf {
    Arc::new(move |pod, _seed| {
        let spec = EngineSpec::new(pod.gpu, model)?;
        Some(Box::new(Engine::new(spec)) as Box<dyn Server>)
    })
}

// === impl Pod ===

impl Pod {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        let host = u32::from(Ipv4Addr::new(10, 0, 0, 1)) + self.position as u32;
        SocketAddr::new(IpAddr::V4(Ipv4Addr::from(host)), 8_000)
    }
}
