//! Deployments of a pool, with their profiles.

use serde::{Deserialize, Serialize};

use super::model::Model;
use super::stable_hash::stable_hash;
use crate::scheduling::deployment::DeploymentName;
use crate::scheduling::profile::Profile;

/// A deployment's identity over changes of the pool and over VMs: a hash of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeploymentId(u64);

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
    pub(super) profiles: Vec<(Option<String>, Profile)>,
}

// === impl DeploymentId ===

impl DeploymentId {
    /// The identity of the deployment called `name`.
    pub fn of(name: &DeploymentName) -> Self {
        Self(stable_hash(name))
    }

    /// The hash.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// A deployment without a name, for tests.
    #[cfg(test)]
    pub(crate) const fn numbered(number: u64) -> Self {
        Self(number)
    }
}

// === impl Deployment ===

impl Deployment {
    /// A profile to tell the speed of its pods by, whatever they serve: the one for any model, else
    /// the first.
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
