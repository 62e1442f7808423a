//! Where profiles and pods come from, and what is said to upstream and downstream.

use serde::Deserialize;

use crate::json::{self, JsonError, text};
use crate::scheduling::pool::{PodSpec, ProfileEntry};
use crate::sources::http::HttpSource;
use crate::sources::{pods, profiles};

/// Where profiles come from.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileSources {
    /// A document that is fetched.
    #[serde(deserialize_with = "json::optional_object")]
    pub http: Option<HttpSource>,
    /// Written here; one that is fetched for the same deployment and model takes its place.
    #[serde(deserialize_with = "json::object_list")]
    pub inline: Vec<ProfileEntry>,
}

/// Where pods come from; at least one source names some.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PodSources {
    /// Written here, as `static`.
    #[serde(rename = "static", deserialize_with = "json::object_list")]
    pub fixed: Vec<PodSpec>,
    /// A document that is fetched.
    #[serde(deserialize_with = "json::optional_object")]
    pub http: Option<HttpSource>,
}

/// How the choice reaches Envoy's cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamConfig {
    /// The request header that names the pod as `ip:port`, in lower case.
    #[serde(deserialize_with = "text::one::<text::HeaderName, _>")]
    pub header: String,
}

/// What clients are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResponseConfig {
    /// Whether responses name their pod (`x-slo-router-pod`), which shows the pool's addresses.
    pub show_pod: bool,
}

// === impl ProfileSources ===

impl ProfileSources {
    /// Whether the profiles go together.
    pub(super) fn check(&self) -> Result<(), JsonError> {
        match profiles::duplicate(&self.inline) {
            None => Ok(()),
            Some((first, second)) => {
                let path = format_args!("profiles.inline[{second}]");
                let found = self.inline.get(second).map_or_else(String::new, |entry| entry.key().to_string());
                let expected = format_args!("one profile; profiles.inline[{first}] is for it too");
                Err(JsonError::invalid(path, found, expected))
            }
        }
    }
}

// === impl PodSources ===

impl PodSources {
    /// Whether there are pods, and they go together.
    pub(super) fn check(&self) -> Result<(), JsonError> {
        if self.fixed.is_empty() && self.http.is_none() {
            return Err(JsonError::invalid("pods", "no pods", "at least one pod in `static`, or `http` to fetch them"));
        }
        pods::check("pods.static", &self.fixed)
    }
}

// === impl UpstreamConfig ===

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self { header: "x-gateway-destination-endpoint".to_owned() }
    }
}
