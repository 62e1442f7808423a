//! Pods from Envoy itself: the endpoints of clusters, with their health, as its admin interface
//! lists them (`GET /clusters?format=json`). Endpoint discovery and health checks are Envoy's, and
//! the filter knows no other pods than those that Envoy can reach.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};

use fnv::FnvHasher;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::callout::{Callout, FetchError, FetchRequest, callout_document};
use super::fetch::{Fetch, FetchProgress};
use super::pods::PodDocument;
use super::source::Source;
use crate::json::{self, text};
use crate::scheduling::deployment::DeploymentName;
use crate::scheduling::pool::PodSpec;

/// Clusters whose pods are listed, and the admin interface that lists them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "EnvoyDocument")]
pub struct EnvoySource {
    /// The admin interface. In Istio that is the cluster `prometheus_stats`.
    pub callout: Callout,
    /// The clusters.
    pub clusters: Vec<Cluster>,
}

/// A cluster whose endpoints are pods.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cluster {
    /// Its name.
    name: String,
    /// Deployment of their pods.
    deployment: DeploymentOf,
    /// The names that they serve; empty if they serve any.
    models: Vec<String>,
}

/// Rule by which the deployment of an endpoint is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum DeploymentOf {
    /// All are of this one.
    Named(DeploymentName),
    /// This part of their locality names it.
    Locality(LocalityPart),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LocalityPart {
    Region,
    Zone,
    SubZone,
}

callout_document!(EnvoyDocument every "crate::sources::callout::often" {
    #[serde(deserialize_with = "json::object_list")]
    clusters: Vec<ClusterDocument>,
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterDocument {
    #[serde(deserialize_with = "text::one::<text::HostLike, _>")]
    name: String,
    deployment: Option<DeploymentName>,
    deployment_from: Option<LocalityPart>,
    #[serde(default, deserialize_with = "text::list::<text::ModelName, _>")]
    models: Vec<String>,
}

struct EnvoyFetch {
    clusters: Vec<Cluster>,
}

/// As `envoy.admin.v3.Clusters` is written in JSON: fields that are empty or false are left out.
#[derive(Deserialize)]
struct Clusters {
    #[serde(default)]
    cluster_statuses: Vec<ClusterStatus>,
}

#[derive(Deserialize)]
struct ClusterStatus {
    name: String,
    #[serde(default)]
    host_statuses: Vec<HostStatus>,
}

#[derive(Deserialize)]
struct HostStatus {
    address: Address,
    #[serde(default)]
    health_status: HealthStatus,
    #[serde(default)]
    locality: Locality,
}

#[derive(Deserialize)]
struct Address {
    socket_address: Option<SocketAddress>,
}

#[derive(Deserialize)]
struct SocketAddress {
    address: IpAddr,
    port_value: u16,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HealthStatus {
    eds_health_status: EdsHealth,
    failed_active_health_check: bool,
    failed_outlier_check: bool,
    pending_dynamic_removal: bool,
    pending_active_hc: bool,
    excluded_via_immediate_hc_fail: bool,
}

/// Health as endpoint discovery reports it; `DEGRADED` ones still serve.
#[derive(Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum EdsHealth {
    #[default]
    Unknown,
    Healthy,
    Degraded,
    #[serde(other)]
    NotServing,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Locality {
    region: String,
    zone: String,
    sub_zone: String,
}

// === impl EnvoySource ===

impl Source<PodDocument> for EnvoySource {
    fn callout(&self) -> &Callout {
        &self.callout
    }

    fn identify(&self, hasher: &mut FnvHasher) {
        (1_isize, &self.clusters).hash(hasher);
    }

    fn fetch(&self, _: Option<String>) -> Box<dyn Fetch<PodDocument>> {
        Box::new(EnvoyFetch { clusters: self.clusters.clone() })
    }
}

impl fmt::Display for EnvoySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Callout { cluster, interval, .. } = &self.callout;
        write!(f, "{} clusters that Envoy knows, by {cluster} every {interval:?}", self.clusters.len())
    }
}

impl TryFrom<EnvoyDocument> for EnvoySource {
    type Error = String;

    fn try_from(document: EnvoyDocument) -> Result<Self, String> {
        let callout = document.callout();
        if document.clusters.is_empty() {
            return Err("invalid value: no `clusters`, expected at least one".to_owned());
        }
        let clusters: Result<Vec<Cluster>, String> = document.clusters.into_iter().map(Cluster::try_from).collect();
        Ok(Self { callout, clusters: clusters? })
    }
}

// === impl Cluster ===

impl TryFrom<ClusterDocument> for Cluster {
    type Error = String;

    fn try_from(document: ClusterDocument) -> Result<Self, String> {
        let ClusterDocument { name, deployment, deployment_from, models } = document;
        let deployment = match (deployment, deployment_from) {
            (Some(deployment), None) => DeploymentOf::Named(deployment),
            (None, Some(part)) => DeploymentOf::Locality(part),
            _ => return Err(format!("cluster {name:?}: expected one of `deployment` and `deployment_from`")),
        };
        Ok(Self { name, deployment, models })
    }
}

// === impl EnvoyFetch ===

impl Fetch<PodDocument> for EnvoyFetch {
    /// The filter is a regular expression, so the names are escaped and anchored.
    fn request(&self) -> FetchRequest {
        let names: Vec<String> = self.clusters.iter().map(|cluster| escaped(&cluster.name)).collect();
        let filter = format!("^({})$", names.join("|"));
        FetchRequest::json(format!("/clusters?format=json&filter={}", utf8_percent_encode(&filter, NON_ALPHANUMERIC)))
    }

    fn read(&mut self, body: &[u8]) -> Result<FetchProgress<PodDocument>, FetchError> {
        let Clusters { cluster_statuses } = json::read(body)?;
        let mut pods = BTreeMap::new();
        let mut complaints = Vec::new();
        for cluster in &self.clusters {
            let Some(status) = cluster_statuses.iter().find(|status| status.name == cluster.name) else {
                // Not the same as one without endpoints: it is misspelt, or not there yet.
                return Err(FetchError::Invalid(format!("Envoy has no cluster {:?}", cluster.name)));
            };
            for host in status.host_statuses.iter().filter(|host| host.health_status.serves()) {
                match cluster.pod(host) {
                    Ok(pod) => drop(pods.entry(pod.address).or_insert(pod)),
                    Err(complaint) => complaints.push(complaint),
                }
            }
        }
        Ok(FetchProgress::Done(PodDocument::listed(pods.into_values(), complaints)?))
    }
}

// === impl Cluster ===

impl Cluster {
    fn pod(&self, host: &HostStatus) -> Result<PodSpec, String> {
        let Some(SocketAddress { address, port_value }) = host.address.socket_address else {
            return Err(format!("cluster {:?} has an endpoint without an IP address", self.name));
        };
        let address = SocketAddr::new(address, port_value);
        let deployment = match &self.deployment {
            DeploymentOf::Named(deployment) => deployment.clone(),
            DeploymentOf::Locality(part) => {
                let name = part.of(&host.locality);
                name.parse().map_err(|_| {
                    format!("the locality of {address} names no deployment: {name:?} in `{}`", part.as_str())
                })?
            }
        };
        Ok(PodSpec { address, deployment, models: self.models.clone() })
    }
}

// === impl LocalityPart ===

impl LocalityPart {
    fn of(self, locality: &Locality) -> &str {
        match self {
            Self::Region => &locality.region,
            Self::Zone => &locality.zone,
            Self::SubZone => &locality.sub_zone,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Zone => "zone",
            Self::SubZone => "sub_zone",
        }
    }
}

// === impl HealthStatus ===

impl HealthStatus {
    fn serves(&self) -> bool {
        self.eds_health_status != EdsHealth::NotServing
            && !self.failed_active_health_check
            && !self.failed_outlier_check
            && !self.pending_dynamic_removal
            && !self.pending_active_hc
            && !self.excluded_via_immediate_hc_fail
    }
}

/// The regular expression that matches this text alone.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests;
