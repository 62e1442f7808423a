//! Preferences that the configuration states for policies.

use serde::Deserialize;

use super::attainment::Lateness;

/// Preference among deployments while several can meet the objective.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefer {
    /// The one that leaves most slack.
    #[default]
    Slack,
    /// The cheapest by the profiles' cost.
    Cheapest,
}

/// Preferences that policies take from the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Preferences {
    /// Preference of the pull policies among deployments.
    pub prefer: Prefer,
    /// Weight of lateness for `slo-attainment`.
    pub lateness: Lateness,
}
