//! Sources of profiles and pods, and what is said to upstream and downstream.

use serde::Deserialize;

use crate::json::{self, JsonError, text};
use crate::scheduling::pool::{PodSpec, ProfileEntry};
use crate::sources::Source;
use crate::sources::config_map::ConfigMapSource;
use crate::sources::envoy::EnvoySource;
use crate::sources::http::HttpSource;
use crate::sources::kubernetes::KubernetesSource;
use crate::sources::pods::{self, PodDocument};
use crate::sources::profiles::{self, ProfileDocument};
use crate::sources::webdis::WebdisSource;

/// Sources of profiles: the configuration, and at most one source that is asked.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileSources {
    /// `true` where what responses show corrects what profiles say of a deployment's speed.
    pub correct: bool,
    /// A document that a server has.
    #[serde(deserialize_with = "json::optional_object")]
    http: Option<HttpSource>,
    /// A ConfigMap of Kubernetes.
    #[serde(deserialize_with = "json::optional_object")]
    config_map: Option<ConfigMapSource>,
    /// AIBrix's keys in Redis.
    #[serde(deserialize_with = "json::optional_object")]
    webdis: Option<WebdisSource>,
    /// Written here; one that is fetched for the same deployment and model takes its place.
    #[serde(deserialize_with = "json::object_list")]
    pub inline: Vec<ProfileEntry>,
}

/// Sources of pods: the configuration, and at most one source that is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PodSources {
    /// Written here, as `static`.
    #[serde(rename = "static", deserialize_with = "json::object_list")]
    pub fixed: Vec<PodSpec>,
    /// A document that a server has.
    #[serde(deserialize_with = "json::optional_object")]
    http: Option<HttpSource>,
    /// The endpoints of Envoy's clusters.
    #[serde(deserialize_with = "json::optional_object")]
    envoy: Option<EnvoySource>,
    /// Pods that the API server of Kubernetes knows.
    #[serde(deserialize_with = "json::optional_object")]
    kubernetes: Option<KubernetesSource>,
}

/// Headers by which the choice reaches Envoy's cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamConfig {
    /// The request header that names the pod as `ip:port`, in lower case.
    #[serde(deserialize_with = "text::one::<text::HeaderName, _>")]
    pub header: String,
    /// Number of other pods that the header names after it, in the order in which retries should
    /// try them.
    pub alternatives: u8,
    /// Headers that name one other pod each, in that order, for a cluster that reads one address of
    /// a header (`ORIGINAL_DST`): its upstream filters put the next one in the first's place before
    /// each try.
    #[serde(deserialize_with = "text::list::<text::HeaderName, _>")]
    pub alternative_headers: Vec<String>,
    /// `true` where a gateway before the filter may narrow down the pods of a request.
    pub subset_hint: bool,
}

/// Details that responses show to clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResponseConfig {
    /// `true` where responses name their pod (`x-slo-router-pod`), which shows the pool's
    /// addresses.
    pub show_pod: bool,
}

/// Sources that may be asked, by their fields' names.
type SourceFields<D> = [(&'static str, Option<Box<dyn Source<D>>>); 3];

// === impl ProfileSources ===

impl ProfileSources {
    /// The source that is asked, if there is one.
    pub fn fetched(&self) -> Option<Box<dyn Source<ProfileDocument>>> {
        self.asked().into_iter().find_map(|(_, source)| source)
    }

    /// Checks that the profiles go together.
    pub(super) fn check(&self) -> Result<(), JsonError> {
        at_most_one("profiles", self.asked())?;
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

impl Default for ProfileSources {
    fn default() -> Self {
        Self { correct: true, http: None, config_map: None, webdis: None, inline: Vec::new() }
    }
}

impl ProfileSources {
    fn asked(&self) -> SourceFields<ProfileDocument> {
        [("http", boxed(&self.http)), ("config_map", boxed(&self.config_map)), ("webdis", boxed(&self.webdis))]
    }
}

fn boxed<D, S: Source<D> + Clone + 'static>(source: &Option<S>) -> Option<Box<dyn Source<D>>> {
    source.clone().map(|source| Box::new(source) as Box<dyn Source<D>>)
}

/// Two sources that are asked could not be told apart where they disagree.
fn at_most_one<D>(path: &str, asked: SourceFields<D>) -> Result<(), JsonError> {
    let names: Vec<&str> = asked.into_iter().filter_map(|(name, source)| source.map(|_| name)).collect();
    match names.as_slice() {
        [] | [_] => Ok(()),
        _ => Err(JsonError::invalid(path, format_args!("`{}`", names.join("` and `")), "at most one source to ask")),
    }
}

// === impl PodSources ===

impl PodSources {
    /// The source that is asked, if there is one.
    pub fn fetched(&self) -> Option<Box<dyn Source<PodDocument>>> {
        self.asked().into_iter().find_map(|(_, source)| source)
    }

    /// Checks that there are pods, and that they go together.
    pub(super) fn check(&self) -> Result<(), JsonError> {
        at_most_one("pods", self.asked())?;
        if self.fixed.is_empty() && self.fetched().is_none() {
            let expected = "at least one pod in `static`, or `http`, `envoy` or `kubernetes` to ask for them";
            return Err(JsonError::invalid("pods", "no pods", expected));
        }
        pods::check("pods.static", &self.fixed)
    }

    fn asked(&self) -> SourceFields<PodDocument> {
        [("http", boxed(&self.http)), ("envoy", boxed(&self.envoy)), ("kubernetes", boxed(&self.kubernetes))]
    }
}

// === impl UpstreamConfig ===

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            header: "x-gateway-destination-endpoint".to_owned(),
            alternatives: 0,
            alternative_headers: Vec::new(),
            subset_hint: false,
        }
    }
}

impl UpstreamConfig {
    /// Returns the number of other pods that are named for retries, in whichever way.
    pub fn named_alternatives(&self) -> usize {
        usize::from(self.alternatives).max(self.alternative_headers.len())
    }

    /// Every header that is the filter's alone.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.header).chain(&self.alternative_headers).map(String::as_str)
    }

    /// Checks that the alternatives are named in one way, and each header for one thing.
    pub(super) fn check(&self) -> Result<(), JsonError> {
        let path = "upstream.alternative_headers";
        if self.alternatives > 0 && !self.alternative_headers.is_empty() {
            return Err(JsonError::invalid(path, "`alternatives` beside them", "one of the two"));
        }
        if self.alternative_headers.contains(&self.header) {
            return Err(JsonError::invalid(path, format_args!("{:?}", self.header), "other headers than `header`"));
        }
        Ok(())
    }
}
