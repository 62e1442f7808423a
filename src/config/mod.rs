//! The filter's configuration: JSON in, a checked [`Config`] out.
//!
//! All of Envoy's VMs read it for themselves, and Envoy lets none of them differ, so the outcome
//! depends on the text alone. Everything but the pods has a default.

mod classes;
mod deployments;
mod document;
mod error;
pub mod fields;
mod models;
mod pool;
mod request;
mod scheduling;
mod slo;
mod summary;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use self::classes::{Class, DEFAULT_CLASS, HeaderMatch};
pub use self::deployments::DeploymentConfig;
pub use self::error::ConfigError;
pub use self::models::ModelConfig;
pub use self::pool::{PodSources, ProfileSources, ResponseConfig, UpstreamConfig};
pub use self::request::{DEFAULT_PATHS, Inspect, PromptTokens, RequestConfig};
pub use self::scheduling::{CapacityConfig, QueueConfig};
pub use self::slo::{Infeasible, SloConfig};

use crate::dispatcher::Settings;
use crate::learning::Prediction;
use crate::scheduling::deployment::DeploymentName;
use crate::scheduling::policies::{PolicyName, Preferences};
use crate::scheduling::pool::ProfileEntry;
use crate::scheduling::prefix::PrefixMode;
use crate::scheduling::request::Assessment;
use crate::sources::replicas::ReplicaSource;

/// A checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Names the pool in metrics and in what VMs share: 1 to 63 of a-z, 0-9 and `-`.
    pub pool: String,
    /// The policy of requests that ask for none.
    pub policy: PolicyName,
    /// The policies that requests may ask for.
    pub allowed_strategies: Vec<PolicyName>,
    /// Serves what has no usable profile or SLO, and what is not scheduled at all.
    pub fallback_policy: PolicyName,
    /// Paths and bodies of requests, and the measure of their prompts.
    pub request: RequestConfig,
    /// Path of the readiness check: a GET is answered by whether requests can be placed; `None` for
    /// none.
    pub ready_path: Option<String>,
    /// Facts stated of models, by the name in requests. A model that is not here may be served all
    /// the same.
    pub models: BTreeMap<String, ModelConfig>,
    /// The model of requests that name none.
    pub default_model: Option<String>,
    /// The classes; the first that matches a request is its class.
    pub classes: Vec<Class>,
    /// Facts stated of deployments.
    pub deployments: BTreeMap<DeploymentName, DeploymentConfig>,
    /// Objectives, and what they are used for.
    pub slo: SloConfig,
    /// Rule by which output lengths are estimated.
    pub prediction: Prediction,
    /// Capacity of a pod where no profile states it.
    pub capacity: CapacityConfig,
    /// Limits of the queue.
    pub queue: QueueConfig,
    /// Use of what pods hold in their prefix caches.
    pub prefix: PrefixMode,
    /// Sources of profiles.
    pub profiles: ProfileSources,
    /// Sources of pods.
    pub pods: PodSources,
    /// Store shared with other gateways that serve the same pods, if there are any.
    pub replicas: Option<ReplicaSource>,
    /// Headers by which the choice reaches Envoy's cluster.
    pub upstream: UpstreamConfig,
    /// Details that responses show to clients.
    pub response: ResponseConfig,
    fingerprint: u64,
}

// === impl Config ===

impl Config {
    /// Hash of the text, the same in every build: marks what VMs share under this configuration.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Returns the settings that concern the scheduling of requests.
    pub fn dispatch_settings(&self) -> Settings {
        Settings {
            pool: self.pool.clone(),
            fingerprint: self.fingerprint,
            prediction: self.prediction,
            assessment: Assessment {
                default_slo: self.slo.default,
                default_concurrency: self.capacity.default_concurrency,
                fallback_policy: self.fallback_policy,
            },
            reject_infeasible: self.slo.infeasible == Infeasible::Reject,
            preferences: Preferences { prefer: self.slo.prefer, lateness: self.slo.lateness() },
            max_waiting: self.queue.max_requests,
            max_wait: self.queue.max_wait,
            late: self.queue.late,
            alternatives: self.upstream.named_alternatives(),
            replicas: self.replicas.as_ref().map(|replicas| replicas.callout.interval),
            looks_at_runs: self.looks_at_runs(),
            corrects_profiles: self.profiles.correct,
            prefix: if self.looks_at_runs() { self.prefix } else { PrefixMode::Off },
        }
    }

    /// Returns `true` if requests may ask for a policy that goes by what runs on each pod, or by
    /// speeds that are learned from it.
    pub fn looks_at_runs(&self) -> bool {
        let learns = |policy: &PolicyName| policy.needs_profile && self.profiles.correct;
        self.allowed_strategies.iter().chain([&self.policy]).any(|policy| policy.looks_at_runs || learns(policy))
    }

    /// Returns a warning, in a line, where profiles state objectives of their own, which go before
    /// `slo.default`.
    pub fn hidden_default<'a>(&self, profiles: impl IntoIterator<Item = &'a ProfileEntry>) -> Option<String> {
        self.slo.default?;
        let hiding = profiles.into_iter().filter(|entry| !entry.profile.slo.is_empty());
        let hiding: BTreeSet<&str> = hiding.map(|entry| entry.deployment.as_str()).collect();
        (!hiding.is_empty()).then(|| {
            let deployments = hiding.into_iter().collect::<Vec<_>>().join(", ");
            format!("the profiles of {deployments} state objectives of their own, which go before `slo.default`")
        })
    }
}
