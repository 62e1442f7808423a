//! The pods of a scenario.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::engine::{Detail, Engine, EngineSpec, Gpu, Model};
use crate::kinds::Kind;
use crate::simulation::server::Server;

/// A pod's server, by the pod and the run's seed; `None` where the model does not fit the GPU.
pub type ServerOf = Arc<dyn Fn(&Pod, u64) -> Option<Engine> + Send + Sync>;

/// Pods of a scenario, with their servers.
#[derive(Clone)]
pub struct Cluster {
    /// All pods; those of one deployment stand together.
    pub pods: Vec<Pod>,
    /// Model that the pods with a GPU serve.
    pub model: Model,
    server: ServerOf,
    /// Peculiarity of its servers, in words; nothing about those of [`batching`].
    special: Option<&'static str>,
}

/// Hardware and engine of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hardware {
    /// The cluster's model on this.
    Gpu(Gpu),
    /// Something else.
    Kind(Kind),
}

/// An upstream endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Its position in the cluster.
    pub position: usize,
    /// Hardware that it runs on.
    pub hardware: Hardware,
    /// Its deployment, `namespace/name`, as the profiles name it.
    pub deployment: String,
    /// Weight that an operator would give it for `weighted-least-request`; relative.
    pub weight: f64,
}

// === impl Cluster ===

impl Cluster {
    /// One pod for each of these with its weight, in deployments `default/llama-GPU` and `default/KIND`, that serve by continuous
    /// batching.
    pub fn new<H: Into<Hardware> + Copy>(pods: &[(H, f64)], model: Model) -> Self {
        let pod = |(position, &(hardware, weight)): (usize, &(H, f64))| {
            let hardware = hardware.into();
            Pod { position, hardware, deployment: hardware.deployment(), weight }
        };
        Self { pods: pods.iter().enumerate().map(pod).collect(), model, server: batching(model), special: None }
    }

    /// The same pods with servers of another kind, which `special` describes.
    #[must_use]
    pub fn served_by(self, special: &'static str, server: ServerOf) -> Self {
        Self { server, special: Some(special), ..self }
    }

    /// Returns `true` if its servers are those of [`batching`], as the [bound](crate::simulation::bound)
    /// assumes.
    pub fn is_plain(&self) -> bool {
        self.special.is_none()
    }

    /// Returns how many tokens of prompt and answer every pod holds, up to the model's context.
    pub fn context_tokens(&self) -> u32 {
        let kv_tokens = self.pods.iter().filter_map(|pod| Some(pod.hardware.spec(self.model)?.kv_tokens()));
        kv_tokens.fold(self.model.context_tokens(), |least, tokens| least.min(tokens.try_into().unwrap_or(u32::MAX)))
    }

    /// A server for each pod.
    ///
    /// # Errors
    /// Where the model does not fit a GPU.
    pub fn servers(&self, seed: u64) -> Result<Vec<Box<dyn Server>>> {
        self.servers_telling(Detail::EveryToken, seed)
    }

    /// The same with servers that tell this much, at the same times.
    ///
    /// # Errors
    /// As [`Cluster::servers`].
    pub fn servers_telling(&self, detail: Detail, seed: u64) -> Result<Vec<Box<dyn Server>>> {
        let server = |pod: &Pod| {
            let engine = (self.server)(pod, seed);
            let engine = engine.with_context(|| format!("the model does not fit the {}", pod.hardware.name()))?;
            Ok(Box::new(engine.telling(detail)) as Box<dyn Server>)
        };
        self.pods.iter().map(server).collect()
    }

    /// Describes the servers in words:
    /// `7b-fp16-mha on a10 l20 l20, 30 % slower than profiled`.
    pub fn describe(&self) -> String {
        let names: Vec<_> = self.pods.iter().map(|pod| pod.hardware.name()).collect();
        let special = self.special.map(|words| format!(", {words}")).unwrap_or_default();
        let on_gpus = self.pods.iter().any(|pod| matches!(pod.hardware, Hardware::Gpu(_)));
        let model = if on_gpus { format!("{} on ", self.model.name()) } else { String::new() };
        format!("{model}{}{special}", names.join(" "))
    }
}

/// The engine of [`crate::engine`]; it draws nothing, so the seed does not show.
pub fn batching(model: Model) -> ServerOf {
    Arc::new(move |pod, _seed| Some(Engine::new(pod.hardware.spec(model)?)))
}

// === impl Hardware ===

impl Hardware {
    /// Its short name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gpu(gpu) => gpu.name(),
            Self::Kind(kind) => kind.name(),
        }
    }

    /// The plain server; `None` where `model` does not fit the GPU.
    pub fn spec(self, model: Model) -> Option<EngineSpec> {
        match self {
            Self::Gpu(gpu) => EngineSpec::new(gpu, model),
            Self::Kind(kind) => Some(kind.spec()),
        }
    }

    fn deployment(self) -> String {
        match self {
            Self::Gpu(gpu) => crate::cluster::deployment(gpu),
            Self::Kind(kind) => format!("default/{}", kind.name()),
        }
    }
}

impl From<Gpu> for Hardware {
    fn from(gpu: Gpu) -> Self {
        Self::Gpu(gpu)
    }
}

impl From<Kind> for Hardware {
    fn from(kind: Kind) -> Self {
        Self::Kind(kind)
    }
}

// === impl Pod ===

impl Pod {
    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        let host = u32::from(Ipv4Addr::new(10, 0, 0, 1)) + self.position as u32;
        SocketAddr::new(IpAddr::V4(Ipv4Addr::from(host)), 8_000)
    }
}
