//! Settings by which requests are estimated, held and placed.

use std::time::Duration;

use serde::Deserialize;

use crate::json::{self, duration, number};
use crate::learning::{Prediction, PredictionKind};
use crate::scheduling::policies::PolicyName;
use crate::scheduling::queue::LatePolicy;

/// A policy that needs neither profiles nor objectives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FallbackPolicy {
    /// [`PolicyName::LeastRequest`].
    #[default]
    LeastRequest,
    /// [`PolicyName::Random`].
    Random,
}

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

// === impl FallbackPolicy ===

impl From<FallbackPolicy> for PolicyName {
    fn from(policy: FallbackPolicy) -> Self {
        match policy {
            FallbackPolicy::LeastRequest => Self::LeastRequest,
            FallbackPolicy::Random => Self::Random,
        }
    }
}

// === impl PredictionDocument ===

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
