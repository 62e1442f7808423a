//! Facts that operators state of deployments.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::json::{JsonError, number};
use crate::scheduling::deployment::DeploymentName;

/// Facts stated of one deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeploymentConfig {
    /// Requests at once on each of its pods, whatever policy places them, such as the slots of its
    /// server (`-np`, `--max-num-seqs`); `None` for any number.
    #[serde(deserialize_with = "most")]
    pub max_concurrent_requests: Option<u32>,
}

fn most<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    number::from_one_to::<_, 1_000_000>(deserializer).map(Some)
}

/// By name: each is one, and none stands here twice in two ways of writing.
pub(super) fn named(
    written: BTreeMap<String, DeploymentConfig>,
) -> Result<BTreeMap<DeploymentName, DeploymentConfig>, JsonError> {
    let mut named = BTreeMap::new();
    for (text, deployment) in written {
        let expected = "the name of a deployment, once: \"namespace/name\", or \"name\" in the namespace `default`";
        let refused = || JsonError::invalid("deployments", format_args!("the name {text:?}"), expected);
        let name: DeploymentName = text.parse().map_err(|_| refused())?;
        if named.insert(name, deployment).is_some() {
            return Err(refused());
        }
    }
    Ok(named)
}
