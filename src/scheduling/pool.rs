//! The pool as its sources describe it: pods, their deployments and the deployments' profiles. Immutable; a new
//! description makes a new [`Pool`].

mod audience;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::rc::Rc;

use fnv::{FnvHashMap, FnvHasher};
use serde::{Deserialize, Serialize};

use self::audience::Audiences;
pub use self::audience::{Audience, AudienceId};
use super::deployment::DeploymentName;
use super::profile::Profile;
use super::subset::Subset;
use crate::json::{self, address, text};

/// A pod's identity over changes of the pool and over VMs: a hash of its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PodId(u64);

/// A deployment's identity over changes of the pool and over VMs: a hash of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeploymentId(u64);

/// A model's identity over VMs: a hash of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModelId(u64);

/// One upstream endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its identity.
    pub id: PodId,
    /// Address by which Envoy reaches it.
    pub address: SocketAddr,
    /// The same, as a header names it: written once, not for each request.
    pub destination: Rc<str>,
    /// Position of its deployment in [`Pool::deployments`].
    pub deployment: usize,
    /// The models it serves; empty means any.
    models: Rc<[String]>,
}

/// Pods of one GPU type and one server setup.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Its identity.
    pub id: DeploymentId,
    /// `namespace/name`.
    pub name: DeploymentName,
    /// Requests at once on each of its pods, whatever policy places them; `None` for any number.
    pub max_concurrent_requests: Option<u32>,
    /// Profiles by model; `None` stands for any model.
    profiles: Vec<(Option<String>, Profile)>,
}

/// A model as requests name it; an adapter shares the pods and profiles of its base.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Model {
    /// The name in the request.
    pub name: String,
    /// The base model of an adapter (LoRA).
    pub base: Option<String>,
}

/// A pod as the configuration or a document names it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PodSpec {
    /// Address at which it listens.
    #[serde(deserialize_with = "address::unicast")]
    pub address: SocketAddr,
    /// Name of its deployment.
    pub deployment: DeploymentName,
    /// The names it serves; empty if it serves any.
    #[serde(default, deserialize_with = "text::list::<text::ModelName, _>", skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
}

/// The profile of a deployment, for one model or for all that have none of their own.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileEntry {
    /// Name of the deployment whose pods were measured.
    pub deployment: DeploymentName,
    /// Model that they ran; `None` for any.
    #[serde(default, deserialize_with = "text::optional::<text::ModelName, _>")]
    pub model: Option<String>,
    /// Measurements.
    #[serde(deserialize_with = "json::object")]
    pub profile: Profile,
}

/// Deployment and model that a profile is for; at most one entry of a document has the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct ProfileKey {
    /// As [`ProfileEntry::deployment`].
    pub deployment: DeploymentName,
    /// As [`ProfileEntry::model`].
    #[serde(default)]
    pub model: Option<String>,
}

/// All pods behind one filter configuration.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    pods: Vec<Pod>,
    deployments: Vec<Deployment>,
    positions: FnvHashMap<PodId, usize>,
    audiences: Audiences,
}

// === impl PodId, ModelId, DeploymentId ===

impl PodId {
    /// The identity of the pod at `address`.
    pub fn of(address: SocketAddr) -> Self {
        Self(stable_hash(&address))
    }
}

impl ModelId {
    /// The identity of a model.
    pub fn of(model: &Model) -> Self {
        Self(stable_hash(&model.name))
    }
}

impl DeploymentId {
    /// The identity of the deployment called `name`.
    pub fn of(name: &DeploymentName) -> Self {
        Self(stable_hash(name))
    }

    /// The hash.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

// === impl ProfileEntry, ProfileKey ===

impl ProfileEntry {
    /// Returns the deployment and model that the profile is for.
    pub fn key(&self) -> ProfileKey {
        ProfileKey { deployment: self.deployment.clone(), model: self.model.clone() }
    }
}

impl fmt::Display for ProfileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.model {
            Some(model) => write!(f, "deployment {}, model {model:?}", self.deployment),
            None => write!(f, "deployment {}, any model", self.deployment),
        }
    }
}

// === impl Model ===

impl Model {
    /// Stands for whatever a pod serves.
    pub const ANY: Self = Self { name: String::new(), base: None };
}

// === impl Deployment ===

impl Deployment {
    /// A profile to tell the speed of its pods by, whatever they serve: the one for any model, else the first.
    pub fn any_profile(&self) -> Option<&Profile> {
        self.profile(&Model::ANY).or_else(|| self.profiles.first().map(|(_, profile)| profile))
    }

    /// The profile for `model`: its own, else its base's, else the one for any model.
    pub fn profile(&self, model: &Model) -> Option<&Profile> {
        let named = |name: &str| self.profiles.iter().find(|(of, _)| of.as_deref() == Some(name));
        named(&model.name)
            .or_else(|| model.base.as_deref().and_then(named))
            .or_else(|| self.profiles.iter().find(|(of, _)| of.is_none()))
            .map(|(_, profile)| profile)
    }
}

// === impl Pool ===

impl Pool {
    /// Joins pods with the profiles of their deployments; of profiles with one key the last counts.
    pub fn new(pods: impl IntoIterator<Item = PodSpec>, profiles: &[ProfileEntry]) -> Self {
        let mut pool = Self::default();
        let mut known: FnvHashMap<DeploymentId, usize> = FnvHashMap::default();
        for spec in pods {
            let id = DeploymentId::of(&spec.deployment);
            let deployment = *known.entry(id).or_insert_with(|| {
                let profiles = of_deployment(profiles, &spec.deployment);
                pool.deployments.push(Deployment {
                    id,
                    name: spec.deployment,
                    max_concurrent_requests: None,
                    profiles,
                });
                pool.deployments.len() - 1
            });
            let pod = PodId::of(spec.address);
            pool.positions.insert(pod, pool.pods.len());
            pool.pods.push(Pod {
                id: pod,
                address: spec.address,
                destination: spec.address.to_string().into(),
                deployment,
                models: spec.models.into(),
            });
        }
        pool.audiences = Audiences::of(&pool.pods, &pool.deployments);
        pool
    }

    /// Bounds how many requests run at once on each pod of some deployments.
    #[must_use]
    pub fn bounded(mut self, bound_of: impl Fn(&DeploymentName) -> Option<u32>) -> Self {
        for deployment in &mut self.deployments {
            deployment.max_concurrent_requests = bound_of(&deployment.name);
        }
        self
    }

    /// Returns `true` if some pods serve models that others do not.
    pub fn tells_models_apart(&self) -> bool {
        self.pods.windows(2).any(|pair| matches!(pair, [one, other] if one.models != other.models))
    }

    /// The pods, in the order of their source.
    pub fn pods(&self) -> &[Pod] {
        &self.pods
    }

    /// The deployments that have pods.
    pub fn deployments(&self) -> &[Deployment] {
        &self.deployments
    }

    /// The position of a pod among [`Self::pods`].
    pub fn position(&self, pod: PodId) -> Option<usize> {
        self.positions.get(&pod).copied()
    }

    /// The pods that serve `model`.
    pub fn audience(&self, model: &Model) -> Rc<Audience> {
        self.audiences.get(model)
    }

    /// Those of them that are in `subset`.
    pub fn audience_within(&self, model: &Model, subset: Option<&Subset>) -> Rc<Audience> {
        let audience = self.audience(model);
        match subset {
            None => audience,
            Some(subset) => Rc::new(audience.within(subset, &self.pods)),
        }
    }

    /// Returns `true` if any pod serves `model`.
    pub fn serves(&self, model: &Model) -> bool {
        !self.audience(model).pods().is_empty()
    }
}

fn of_deployment(entries: &[ProfileEntry], name: &DeploymentName) -> Vec<(Option<String>, Profile)> {
    let mut profiles: Vec<(Option<String>, Profile)> = Vec::new();
    for entry in entries.iter().filter(|entry| entry.deployment == *name) {
        profiles.retain(|(model, _)| *model != entry.model);
        profiles.push((entry.model.clone(), entry.profile.clone()));
    }
    profiles
}

/// FNV-1a: the same in every VM and version, which std's hashers do not promise.
fn stable_hash(value: &impl Hash) -> u64 {
    let mut hasher = FnvHasher::default();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
