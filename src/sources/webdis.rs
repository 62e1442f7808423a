//! Profiles from the keys that AIBrix keeps in Redis, read over HTTP by Webdis.
//!
//! AIBrix's key is `aibrix:profile_<model>_<deployment>`, which is ambiguous: either may hold an
//! underscore. It is read by what the profile itself says: its `gpu` is the deployment's name.
//! Where that is not the end of the key, the name is taken to hold none, as those of Kubernetes'
//! deployments do not. Nothing is ever written.
//!
//! The keys are found by `KEYS`, which keeps Redis busy for as long as it takes to look at all of
//! its keys. `SCAN` would not, but the Webdis of Linux distributions (0.1.9) leaves out the lists
//! that it answers with.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;

use fnv::FnvHasher;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::callout::{Callout, FetchError, FetchRequest, callout_document};
use super::document::Fetched;
use super::fetch::{Fetch, FetchProgress};
use super::gather::{Gather, gpu_of};
use super::kubernetes::ObjectName;
use super::profiles::ProfileDocument;
use super::source::Source;
use crate::json::{self, text};
use crate::scheduling::deployment::{DEFAULT_NAMESPACE, DeploymentName};

const PREFIX: &str = "aibrix:profile_";

/// Values asked for at once: keys of 200 bytes, all of them escaped, make a path of 30 KB.
const BATCH: usize = 50;

/// Keys at most.
const MAX_KEYS: usize = 10_000;

/// Webdis server, and the namespace of bare keys.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "WebdisDocument")]
pub struct WebdisSource {
    /// Webdis.
    pub callout: Callout,
    /// The namespace of the deployments whose keys do not say it.
    pub namespace: String,
}

callout_document!(WebdisDocument every "crate::sources::callout::seldom" {
    #[serde(default = "default_namespace", deserialize_with = "text::one::<ObjectName, _>")]
    namespace: String,
});

struct WebdisFetch {
    namespace: String,
    step: WebdisStep,
    /// Keys whose values are to come after this step.
    keys: Vec<String>,
    values: BTreeMap<String, String>,
}

enum WebdisStep {
    /// Finding the keys.
    Find,
    /// Reading the values of these keys.
    Get(Vec<String>),
}

#[derive(Deserialize)]
struct Found {
    #[serde(rename = "KEYS")]
    keys: RedisReply<Vec<String>>,
}

/// Answer to `MGET`.
#[derive(Deserialize)]
pub(super) struct MgetReply {
    #[serde(rename = "MGET")]
    pub(super) mget: RedisReply<Vec<Option<String>>>,
}

/// Result of a command of Redis: its reply, or an error as `[false, "ERR …"]`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RedisReply<T> {
    Reply(T),
    Failed((bool, String)),
}

fn default_namespace() -> String {
    DEFAULT_NAMESPACE.to_owned()
}

// === impl WebdisSource ===

impl Source<ProfileDocument> for WebdisSource {
    fn callout(&self) -> &Callout {
        &self.callout
    }

    fn identify(&self, hasher: &mut FnvHasher) {
        (4_isize, &self.namespace).hash(hasher);
    }

    fn fetch(&self, _: Option<String>) -> Box<dyn Fetch<ProfileDocument>> {
        Box::new(WebdisFetch {
            namespace: self.namespace.clone(),
            step: WebdisStep::Find,
            keys: Vec::new(),
            values: BTreeMap::new(),
        })
    }
}

impl fmt::Display for WebdisSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Callout { cluster, interval, .. } = &self.callout;
        write!(f, "Redis, by {cluster} every {interval:?}")
    }
}

impl From<WebdisDocument> for WebdisSource {
    fn from(document: WebdisDocument) -> Self {
        Self { callout: document.callout(), namespace: document.namespace }
    }
}

// === impl WebdisFetch ===

impl Fetch<ProfileDocument> for WebdisFetch {
    fn request(&self) -> FetchRequest {
        // Webdis takes a path's parts for a command's arguments, and an ending for a format: both
        // are escaped.
        let escaped = |argument: &str| utf8_percent_encode(argument, NON_ALPHANUMERIC).to_string();
        FetchRequest::json(match &self.step {
            WebdisStep::Find => format!("/KEYS/{}", escaped(&format!("{PREFIX}*"))),
            WebdisStep::Get(keys) => {
                format!("/MGET/{}", keys.iter().map(|key| escaped(key)).collect::<Vec<_>>().join("/"))
            }
        })
    }

    fn read(&mut self, body: &[u8]) -> Result<FetchProgress<ProfileDocument>, FetchError> {
        match std::mem::replace(&mut self.step, WebdisStep::Get(Vec::new())) {
            WebdisStep::Find => {
                self.keys = json::read::<Found>(body)?.keys.reply()?;
                self.keys.retain(|key| key.starts_with(PREFIX));
                if self.keys.len() > MAX_KEYS {
                    return Err(FetchError::Invalid(format!("more than {MAX_KEYS} profiles")));
                }
            }
            WebdisStep::Get(keys) => {
                let values = json::read::<MgetReply>(body)?.mget.reply()?;
                if values.len() != keys.len() {
                    let found = format!("{} values came for {} keys", values.len(), keys.len());
                    return Err(FetchError::Invalid(found));
                }
                // A key without a value is gone by now, or no string.
                let there = keys.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?)));
                self.values.extend(there);
            }
        }
        if self.keys.is_empty() {
            return Ok(FetchProgress::Done(self.fetched()));
        }
        self.step = WebdisStep::Get(self.keys.split_off(self.keys.len().saturating_sub(BATCH)));
        Ok(FetchProgress::Next)
    }
}

impl WebdisFetch {
    fn fetched(&mut self) -> Fetched<ProfileDocument> {
        let mut gather = Gather::default();
        let mut complaints = Vec::new();
        for (key, text) in std::mem::take(&mut self.values) {
            match names(&key, &text) {
                Some((model, deployment)) if deployment.contains('/') => gather.add_profile(deployment, &model, &text),
                Some((model, deployment)) => {
                    gather.add_profile(format!("{}/{deployment}", self.namespace), &model, &text);
                }
                None => complaints.push(format!("the key {key:?} names no model and deployment")),
            }
        }
        gather.fetched(complaints)
    }
}

/// The model and the deployment of a key. The deployment may have its namespace before it, in the
/// key or in what its profile says.
fn names(key: &str, text: &str) -> Option<(String, String)> {
    let names = key.strip_prefix(PREFIX)?;
    let by_gpu = || {
        let gpu = gpu_of(text)?;
        let without_namespace = gpu.rsplit_once('/').map_or(gpu.as_str(), |(_, name)| name);
        let is_end = |end: &str| names.strip_suffix(end)?.strip_suffix('_').map(str::to_owned);
        let model = is_end(&gpu).or_else(|| is_end(without_namespace))?;
        Some((model, gpu))
    };
    let by_last = || names.rsplit_once('_').map(|(model, deployment)| (model.to_owned(), deployment.to_owned()));
    let are_names =
        |(model, deployment): &(String, String)| !model.is_empty() && deployment.parse::<DeploymentName>().is_ok();
    by_gpu().filter(are_names).or_else(by_last).filter(are_names)
}

// === impl RedisReply ===

impl<T> RedisReply<T> {
    pub(super) fn reply(self) -> Result<T, FetchError> {
        match self {
            Self::Reply(reply) => Ok(reply),
            Self::Failed((_, error)) => Err(FetchError::Invalid(format!("Redis answers {error:?}"))),
        }
    }
}

#[cfg(test)]
mod tests;
