//! The pool as its sources describe it: pods, their deployments and the deployments' profiles.
//! Immutable; a new description makes a new [`Pool`].

mod audience;
mod deployment;
mod model;
mod pod;
mod profile_entry;
mod stable_hash;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use fnv::FnvHashMap;

use self::audience::Audiences;
pub use self::audience::{Audience, AudienceId};
pub use self::deployment::{Deployment, DeploymentId};
pub use self::model::{Model, ModelId};
pub use self::pod::{Pod, PodId, PodSpec};
pub use self::profile_entry::{ProfileEntry, ProfileKey};
use super::deployment::DeploymentName;
use super::profile::Profile;
use super::subset::Subset;

/// The most pods of a pool.
pub const MAX_PODS: usize = 10_000;

/// All pods behind one filter configuration.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    pods: Vec<Pod>,
    deployments: Vec<Deployment>,
    positions: FnvHashMap<PodId, usize>,
    audiences: Audiences,
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

    /// The deployment of a pod; `None` where the pool lacks it.
    pub fn deployment_of(&self, pod: PodId) -> Option<DeploymentId> {
        let pod = self.pods.get(self.position(pod)?)?;
        self.deployments.get(pod.deployment).map(|deployment| deployment.id)
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
