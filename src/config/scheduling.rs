//! Settings by which requests are estimated, held and placed.

use std::time::Duration;

use serde::Deserialize;
use serde::de::Error as _;

use crate::json::{self, duration, number};
use crate::learning::{Prediction, PredictionKind};
use crate::scheduling::policies::{self, PolicyName};
use crate::scheduling::queue::LatePolicy;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PredictionDocument {
    #[serde(default)]
    kind: PredictionKind,
    #[serde(default, deserialize_with = "cold")]
    cold: Option<u32>,
}

/// Capacity of a pod where no profile states it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CapacityConfig {
    /// Requests at once, above 0; `None` for any number.
    #[serde(deserialize_with = "number::optional_positive")]
    pub default_concurrency: Option<f64>,
}

/// Limits of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// The most that wait at once, in all VMs of the pool together.
    #[serde(deserialize_with = "number::from_one_to::<_, 1_000_000>")]
    pub max_requests: u32,
    /// The longest that one waits.
    #[serde(deserialize_with = "duration::at_least_us::<_, 1_000>")]
    pub max_wait: Duration,
    /// Treatment of requests that cannot meet their objective any more.
    pub late: LatePolicy,
}

// === impl PredictionDocument ===

/// Reads a policy that needs neither profiles nor objectives. For `#[serde(deserialize_with)]`.
pub(super) fn fallback<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<PolicyName, D::Error> {
    let name = String::deserialize(deserializer)?;
    let fallbacks = || policies::all().filter(|policy| policy.is_fallback);
    fallbacks().find(|policy| policy.name == name).ok_or_else(|| {
        let expected = fallbacks().map(PolicyName::as_str).collect::<Vec<_>>().join(", ");
        D::Error::custom(format_args!("unknown fallback policy {name:?}, expected one of {expected}"))
    })
}

/// Returns the fallback policy where the configuration states none.
pub(super) fn default_fallback() -> PolicyName {
    policies::all().find(|policy| policy.is_fallback).unwrap_or_default()
}

/// Reads the rule by which output lengths are estimated. For `#[serde(deserialize_with)]`.
pub(super) fn prediction<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Prediction, D::Error> {
    json::object(deserializer).map(|document: PredictionDocument| document.into())
}

/// Rule by which output lengths are estimated where the configuration states none.
pub(super) fn default_prediction() -> Prediction {
    PredictionDocument { kind: PredictionKind::default(), cold: None }.into()
}

impl From<PredictionDocument> for Prediction {
    fn from(PredictionDocument { kind, cold }: PredictionDocument) -> Self {
        let default = match kind {
            PredictionKind::Median => 256,
            PredictionKind::Draw => 1, // AIBrix's
        };
        Self { kind, cold_tokens: cold.unwrap_or(default) }
    }
}

/// More than any model writes is no estimate.
fn cold<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    number::from_one_to::<_, 1_048_576>(deserializer).map(Some)
}

// === impl QueueConfig ===

impl Default for QueueConfig {
    fn default() -> Self {
        Self { max_requests: 4096, max_wait: Duration::from_secs(60), late: LatePolicy::default() }
    }
}
