//! Facts that the metadata of a pod states: its deployment, its model, its port.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::json::text::{ModelName, Rule};
use crate::scheduling::deployment::DeploymentName;

/// AIBrix's label for the model that a pod serves.
const MODEL_LABEL: &str = "model.aibrix.ai/name";
/// AIBrix's label for the port that a pod serves it on.
const PORT_LABEL: &str = "model.aibrix.ai/port";
/// The end of a replica set's name, after its deployment's.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// Metadata of a pod.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ObjectMeta {
    pub(super) name: String,
    #[serde(deserialize_with = "null_is_empty")]
    labels: BTreeMap<String, String>,
    owner_references: Option<Vec<Owner>>,
    pub(super) deletion_timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Owner {
    kind: String,
    name: String,
    #[serde(default)]
    controller: bool,
}

// === impl ObjectMeta ===

impl ObjectMeta {
    /// The deployment that the label names, else the one that owns the pod: of a replica set the
    /// deployment above it, of a Ray cluster, role set or clique that stands for one replica of
    /// something the name that all of these share, else the owner itself (a stateful set, a
    /// leader-worker set).
    pub(super) fn deployment(&self, namespace: &str, label: Option<&str>) -> Result<DeploymentName, String> {
        let labelled = label.and_then(|label| self.labels.get(label)).filter(|value| !value.is_empty());
        let name = match (labelled, self.owner()) {
            (Some(value), _) => Cow::Borrowed(value.as_str()),
            (None, Some(owner)) => match owner.kind.as_str() {
                "ReplicaSet" => Cow::Borrowed(self.without_hash(&owner.name)),
                "RayCluster" | "RoleSet" => Cow::Borrowed(without_generated(&owner.name)),
                "PodClique" => without_indexes(without_generated(&owner.name)),
                _ => Cow::Borrowed(owner.name.as_str()),
            },
            (None, None) => return Err(format!("pod {:?} has no owner that names its deployment", self.name)),
        };
        let name = format!("{namespace}/{name}");
        name.parse().map_err(|_| format!("pod {:?} is of no deployment: {name:?} is no name of one", self.name))
    }

    /// The kind and name of the owner that names the deployment as it is, where it is of a kind
    /// that may stand for a single replica.
    pub(super) fn unknown_owner(&self, label: Option<&str>) -> Option<(&str, &str)> {
        const KNOWN: [&str; 5] = ["ReplicaSet", "StatefulSet", "DaemonSet", "LeaderWorkerSet", "ReplicationController"];
        let is_labelled = label.and_then(|label| self.labels.get(label)).is_some_and(|value| !value.is_empty());
        let owner = self.owner().filter(|owner| !is_labelled && !KNOWN.contains(&owner.kind.as_str()))?;
        Some((owner.kind.as_str(), owner.name.as_str()))
    }

    /// The model of its label; none, and so any, without it.
    pub(super) fn models(&self) -> Vec<String> {
        self.labels.get(MODEL_LABEL).filter(|model| ModelName::allows(model)).cloned().into_iter().collect()
    }

    /// The port of its label, if it has one.
    pub(super) fn port(&self) -> Result<Option<u16>, String> {
        let Some(label) = self.labels.get(PORT_LABEL) else { return Ok(None) };
        let port = label.parse().ok().filter(|port| *port > 0);
        port.map(Some).ok_or_else(|| {
            format!("pod {:?} has the label {PORT_LABEL}: {label:?}, expected a port from 1 to 65535", self.name)
        })
    }

    fn owner(&self) -> Option<&Owner> {
        let owners = self.owner_references.as_deref().unwrap_or_default();
        owners.iter().find(|owner| owner.controller).or_else(|| owners.first())
    }

    /// A replica set is called after its deployment and the hash of its template.
    fn without_hash<'a>(&self, name: &'a str) -> &'a str {
        let hash = self.labels.get(TEMPLATE_HASH);
        let stripped = hash.and_then(|hash| name.strip_suffix(hash.as_str())?.strip_suffix('-'));
        stripped.or_else(|| name.rsplit_once('-').map(|(name, _)| name)).unwrap_or(name)
    }
}

/// A name without the word that Kubernetes generated at its end. Before it a Ray cluster of
/// AIBrix's fleets has the hash of its template.
fn without_generated(name: &str) -> &str {
    let Some((rest, word)) = name.rsplit_once('-') else { return name };
    match rest.rsplit_once('-') {
        Some((fleet, hash)) if word.len() == 5 && is_hash(hash) => fleet,
        _ if is_generated(word) => rest,
        _ => name,
    }
}

/// A clique is called after its set, the set's replica, and the same again of a scaling group:
/// `llama-0-workers-1-decode`.
fn without_indexes(name: &str) -> Cow<'_, str> {
    let is_index = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !name.split('-').any(is_index) {
        return Cow::Borrowed(name);
    }
    let parts: Vec<&str> = name.split('-').filter(|part| !is_index(part)).collect();
    Cow::Owned(parts.join("-"))
}

/// Kubernetes generates no words of a language: they have no vowels, and none of the digits that
/// look like letters.
fn is_generated(word: &str) -> bool {
    word.len() == 5 && word.bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte))
}

fn is_hash(text: &str) -> bool {
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    has_digit
        && (8..=10).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
