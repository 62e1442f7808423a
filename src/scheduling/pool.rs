//! The pool as its sources describe it: pods, their deployments and the deployments' profiles. Immutable; a new
//! description makes a new [`Pool`].

use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::deployment::DeploymentName;
use super::profile::Profile;

/// A pod's identity over changes of the pool and over VMs: a hash of its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PodId(u64);

/// A deployment's identity over changes of the pool and over VMs: a hash of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeploymentId(u64);

/// One upstream endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its identity.
    pub id: PodId,
    /// Where Envoy reaches it.
    pub address: SocketAddr,
    /// Position of its deployment in [`Pool::deployments`].
    pub deployment: usize,
    /// The models it serves; empty means any.
    models: Vec<String>,
}

/// Pods of one GPU type and one server setup.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Its identity.
    pub id: DeploymentId,
    /// `namespace/name`.
    pub name: DeploymentName,
    /// Profiles by model; `None` stands for any model.
    profiles: Vec<(Option<String>, Rc<Profile>)>,
}

/// A model as requests name it; an adapter shares the pods and profiles of its base.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Model {
    /// The name in the request.
    pub name: String,
    /// The base model of an adapter (LoRA).
    pub base: Option<String>,
}

/// A pod as a source describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSpec {
    /// Where Envoy reaches it.
    pub address: SocketAddr,
    /// The deployment that it belongs to.
    pub deployment: DeploymentName,
    /// The models it serves; empty means any.
    pub models: Vec<String>,
}

/// A profile as a source describes it.
#[derive(Clone, Debug)]
pub struct ProfileEntry {
    /// The deployment that was measured.
    pub deployment: DeploymentName,
    /// The model that was measured; `None` stands for any.
    pub model: Option<String>,
    /// What was measured.
    pub profile: Rc<Profile>,
}

/// All pods behind one filter configuration.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    pods: Vec<Pod>,
    deployments: Vec<Deployment>,
}

// === impl PodId, DeploymentId ===

impl PodId {
    /// The identity of the pod at `address`.
    pub fn of(address: SocketAddr) -> Self {
        Self(stable_hash(&address))
    }
}

impl DeploymentId {
    /// The identity of the deployment called `name`.
    pub fn of(name: &DeploymentName) -> Self {
        Self(stable_hash(name))
    }
}

// === impl Pod ===

impl Pod {
    /// Whether the pod serves `model` or its base.
    pub fn serves(&self, model: &Model) -> bool {
        self.models.is_empty()
            || self.models.iter().any(|served| *served == model.name || Some(served) == model.base.as_ref())
    }
}

// === impl Deployment ===

impl Deployment {
    /// The profile for `model`: its own, else its base's, else the one for any model.
    pub fn profile(&self, model: &Model) -> Option<&Profile> {
        let named = |name: &str| self.profiles.iter().find(|(of, _)| of.as_deref() == Some(name));
        named(&model.name)
            .or_else(|| model.base.as_deref().and_then(named))
            .or_else(|| self.profiles.iter().find(|(of, _)| of.is_none()))
            .map(|(_, profile)| profile.as_ref())
    }
}

// === impl Pool ===

impl Pool {
    /// Joins pods with the profiles of their deployments; of profiles with one key the last counts.
    pub fn new(pods: impl IntoIterator<Item = PodSpec>, profiles: &[ProfileEntry]) -> Self {
        let mut pool = Self::default();
        for spec in pods {
            let id = DeploymentId::of(&spec.deployment);
            let deployment = pool.deployments.iter().position(|known| known.id == id).unwrap_or_else(|| {
                let profiles = of_deployment(profiles, &spec.deployment);
                pool.deployments.push(Deployment { id, name: spec.deployment, profiles });
                pool.deployments.len() - 1
            });
            pool.pods.push(Pod { id: PodId::of(spec.address), address: spec.address, deployment, models: spec.models });
        }
        pool
    }

    /// The pods, in the order of their source.
    pub fn pods(&self) -> &[Pod] {
        &self.pods
    }

    /// The deployments that have pods.
    pub fn deployments(&self) -> &[Deployment] {
        &self.deployments
    }

    /// Whether any pod serves `model`.
    pub fn serves(&self, model: &Model) -> bool {
        self.pods.iter().any(|pod| pod.serves(model))
    }
}

fn of_deployment(entries: &[ProfileEntry], name: &DeploymentName) -> Vec<(Option<String>, Rc<Profile>)> {
    let mut profiles: Vec<(Option<String>, Rc<Profile>)> = Vec::new();
    for entry in entries.iter().filter(|entry| entry.deployment == *name) {
        profiles.retain(|(model, _)| *model != entry.model);
        profiles.push((entry.model.clone(), Rc::clone(&entry.profile)));
    }
    profiles
}

/// FNV-1a: the same in every VM and version, which std's hashers do not promise.
fn stable_hash(value: &impl Hash) -> u64 {
    let mut hasher = Fnv1a(0xcbf2_9ce4_8422_2325);
    value.hash(&mut hasher);
    hasher.finish()
}

struct Fnv1a(u64);

impl Hasher for Fnv1a {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
