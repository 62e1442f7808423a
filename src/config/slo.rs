//! Objectives as they are written.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::json::{self, duration, number};
use crate::scheduling::policies::{Lateness, Prefer};
use crate::scheduling::slo::Slo;

/// Objectives, and what they are used for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SloConfig {
    /// The objective of requests for which nothing else states one.
    #[serde(deserialize_with = "optional_slo")]
    pub default: Option<Slo>,
    /// `true` where requests may state their own in headers.
    pub allow_headers: bool,
    /// Treatment of requests that no deployment can serve in time, even when idle.
    pub infeasible: Infeasible,
    /// Preference among the deployments that can keep an objective.
    pub prefer: Prefer,
    /// Cost of a second of lateness under `slo-attainment`, in kept objectives.
    #[serde(deserialize_with = "number::from_zero_to::<_, 1>")]
    pub late_cost_per_s: f64,
    /// The share of kept objectives that `slo-attainment` may give up to serve late requests
    /// sooner.
    #[serde(deserialize_with = "number::from_zero_to::<_, 1>")]
    pub late_budget: f64,
}

/// Treatment of requests that no deployment can serve in time, even when idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Infeasible {
    /// They are served as late ones.
    #[default]
    Serve,
    /// They are refused.
    Reject,
}

/// An objective as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SloDocument {
    #[serde(deserialize_with = "duration::optional_at_least_us::<_, 1>")]
    ttft: Option<Duration>,
    #[serde(deserialize_with = "duration::optional_at_least_us::<_, 1>")]
    tpot: Option<Duration>,
    #[serde(deserialize_with = "duration::optional_at_least_us::<_, 1>")]
    e2e: Option<Duration>,
    #[serde(deserialize_with = "duration::optional_at_least_us::<_, 1>")]
    e2e_per_output_token: Option<Duration>,
    /// May be zero, which is what it is without being written.
    #[serde(deserialize_with = "duration::optional_at_least_us::<_, 0>")]
    e2e_base: Option<Duration>,
    #[serde(deserialize_with = "duration::optional_at_least_us::<_, 1>")]
    e2e_per_token: Option<Duration>,
}

/// An objective that states something.
#[derive(Deserialize)]
#[serde(try_from = "SloDocument")]
struct CheckedSlo(Slo);

/// An objective, or none (`null`). For `#[serde(deserialize_with)]`.
pub(super) fn optional_slo<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Slo>, D::Error> {
    json::optional_object(deserializer).map(|slo: Option<CheckedSlo>| slo.map(|CheckedSlo(slo)| slo))
}

// === impl SloConfig ===

impl Default for SloConfig {
    fn default() -> Self {
        let Lateness { cost_per_s, budget } = Lateness::default();
        Self {
            default: None,
            allow_headers: true,
            infeasible: Infeasible::default(),
            prefer: Prefer::default(),
            late_cost_per_s: cost_per_s,
            late_budget: budget,
        }
    }
}

impl SloConfig {
    /// Returns the weight of lateness.
    pub(super) fn lateness(&self) -> Lateness {
        Lateness { cost_per_s: self.late_cost_per_s, budget: self.late_budget }
    }
}

// === impl CheckedSlo ===

impl TryFrom<SloDocument> for CheckedSlo {
    type Error = &'static str;

    fn try_from(document: SloDocument) -> Result<Self, Self::Error> {
        let SloDocument { ttft, tpot, e2e, e2e_per_output_token, e2e_base, e2e_per_token } = document;
        if e2e_base.is_some() && e2e_per_output_token.is_none() {
            return Err("invalid value: `e2e_base` alone, expected `e2e_per_output_token` beside it");
        }
        let slo = Slo { ttft, tpot, e2e, e2e_per_output_token, e2e_base, e2e_per_token };
        if slo.is_empty() {
            return Err("invalid value: no objective, expected at least one of `ttft`, `tpot`, `e2e`, \
                        `e2e_per_output_token`, `e2e_per_token`");
        }
        Ok(Self(slo))
    }
}
