//! How requests are estimated, held and placed.

use std::time::Duration;

use serde::Deserialize;

use crate::json::{duration, number};
use crate::scheduling::policies::PolicyName;

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

/// How output lengths are estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "PredictionDocument")]
pub struct PredictionConfig {
    /// From what was seen.
    pub kind: PredictionKind,
    /// Before anything was seen, in tokens.
    pub cold_tokens: u32,
}

/// How an estimate is made of the recent output lengths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PredictionKind {
    /// Their median.
    #[default]
    Median,
    /// One of them by chance, as AIBrix does.
    Draw,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PredictionDocument {
    #[serde(default)]
    kind: PredictionKind,
    #[serde(default, deserialize_with = "cold")]
    cold: Option<u32>,
}

/// What a pod holds where no profile says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CapacityConfig {
    /// Requests at once, above 0; `None` for any number.
    #[serde(deserialize_with = "number::optional_positive")]
    pub default_concurrency: Option<f64>,
}

/// How requests wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// The most that wait at once, in all VMs of the pool together.
    #[serde(deserialize_with = "number::from_one_to::<_, 1_000_000>")]
    pub max_requests: u32,
    /// The longest that one waits.
    #[serde(deserialize_with = "duration::at_least_us::<_, 1_000>")]
    pub max_wait: Duration,
    /// What becomes of requests that cannot meet their objective any more.
    pub late: Late,
}

/// What becomes of requests that cannot meet their objective any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Late {
    /// They go behind all others.
    #[default]
    Last,
    /// They go before all others, as AIBrix's do.
    First,
    /// They are refused.
    Reject,
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

// === impl PredictionConfig ===

impl Default for PredictionConfig {
    fn default() -> Self {
        PredictionDocument { kind: PredictionKind::default(), cold: None }.into()
    }
}

impl From<PredictionDocument> for PredictionConfig {
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
        Self { max_requests: 4096, max_wait: Duration::from_secs(60), late: Late::default() }
    }
}
