//! The configuration as it is written, and what must hold of its parts together.

use std::collections::BTreeMap;
use std::hash::Hasher;

use fnv::FnvHasher;
use serde::Deserialize;

use super::{
    CapacityConfig, Class, Config, ConfigError, DeploymentConfig, ModelConfig, PodSources, ProfileSources, QueueConfig,
    RequestConfig, ResponseConfig, SloConfig, UpstreamConfig, classes, deployments, models, scheduling,
};
use crate::json::{self, JsonError, text};
use crate::learning::Prediction;
use crate::scheduling::policies::PolicyName;
use crate::scheduling::prefix::PrefixMode;
use crate::scheduling::profile::without_nan;
use crate::sources::replicas::ReplicaSource;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigDocument {
    #[serde(default = "default_pool", deserialize_with = "text::one::<text::Label, _>")]
    pool: String,
    #[serde(default)]
    policy: PolicyName,
    #[serde(default)]
    allowed_strategies: Vec<PolicyName>,
    #[serde(default = "scheduling::default_fallback", deserialize_with = "scheduling::fallback")]
    fallback_policy: PolicyName,
    #[serde(default, deserialize_with = "json::object")]
    request: RequestConfig,
    #[serde(default = "default_ready_path", deserialize_with = "text::optional::<text::Path, _>")]
    ready_path: Option<String>,
    #[serde(default, deserialize_with = "json::object_map")]
    models: BTreeMap<String, ModelConfig>,
    #[serde(default, deserialize_with = "text::optional::<text::ModelName, _>")]
    default_model: Option<String>,
    #[serde(default, deserialize_with = "json::object_list")]
    classes: Vec<Class>,
    #[serde(default, deserialize_with = "json::object_map")]
    deployments: BTreeMap<String, DeploymentConfig>,
    #[serde(default, deserialize_with = "json::object")]
    slo: SloConfig,
    #[serde(default = "scheduling::default_prediction", deserialize_with = "scheduling::prediction")]
    prediction: Prediction,
    #[serde(default, deserialize_with = "json::object")]
    capacity: CapacityConfig,
    #[serde(default, deserialize_with = "json::object")]
    queue: QueueConfig,
    #[serde(default)]
    prefix: PrefixMode,
    #[serde(default, deserialize_with = "json::object")]
    profiles: ProfileSources,
    #[serde(deserialize_with = "json::object")]
    pods: PodSources,
    #[serde(default, deserialize_with = "json::optional_object")]
    replicas: Option<ReplicaSource>,
    #[serde(default, deserialize_with = "json::object")]
    upstream: UpstreamConfig,
    #[serde(default, deserialize_with = "json::object")]
    response: ResponseConfig,
}

fn default_pool() -> String {
    "default".to_owned()
}

fn default_ready_path() -> Option<String> {
    Some("/slo-router/ready".to_owned())
}

// === impl Config ===

impl Config {
    /// Reads and checks the filter's configuration.
    ///
    /// # Errors
    ///
    /// The first fault, with its path, its value and what is allowed there.
    pub fn from_json(text: &[u8]) -> Result<Self, ConfigError> {
        // Inline profiles are AIBrix's files, which hold bare `NaN`.
        let strict = without_nan(text);
        let document: ConfigDocument = json::read(&strict).map_err(|error| ConfigError::of_text(text, error))?;
        document.check(fingerprint(text)).map_err(ConfigError::from)
    }
}

pub(super) fn fingerprint(text: &[u8]) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(text);
    hasher.finish()
}

// === impl ConfigDocument ===

impl ConfigDocument {
    /// The configuration, if its parts go together.
    fn check(self, fingerprint: u64) -> Result<Config, JsonError> {
        self.request.check()?;
        self.profiles.check()?;
        self.pods.check()?;
        self.replicas.as_ref().map_or(Ok(()), ReplicaSource::check)?;
        self.upstream.check()?;
        classes::check(&self.classes)?;
        let served = models::Served::by(&self.models, &self.pods);
        models::check(&self.models, &served)?;
        served.check("default_model", self.default_model.as_deref())?;
        for (index, class) in self.classes.iter().enumerate() {
            served.check(format_args!("classes[{index}].model"), class.model.as_deref())?;
        }
        Ok(Config {
            pool: self.pool,
            policy: self.policy,
            allowed_strategies: self.allowed_strategies,
            fallback_policy: self.fallback_policy,
            request: self.request,
            ready_path: self.ready_path,
            models: self.models,
            default_model: self.default_model,
            classes: self.classes,
            deployments: deployments::named(self.deployments)?,
            slo: self.slo,
            prediction: self.prediction,
            capacity: self.capacity,
            queue: self.queue,
            prefix: self.prefix,
            profiles: self.profiles,
            pods: self.pods,
            replicas: self.replicas,
            upstream: self.upstream,
            response: self.response,
            fingerprint,
        })
    }
}
