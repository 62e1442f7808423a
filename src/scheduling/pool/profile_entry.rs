//! Profiles as the configuration or a document lists them.

use std::fmt;

use serde::Deserialize;

use crate::json::{self, text};
use crate::scheduling::deployment::DeploymentName;
use crate::scheduling::profile::Profile;

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
