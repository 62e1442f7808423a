//! Services and their endpoint slices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde::Deserialize;

use super::list;
use crate::json;
use crate::sources::callout::FetchError;

/// A service, as far as it concerns us.
#[derive(Deserialize)]
pub(super) struct Service {
    spec: ServiceSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceSpec {
    selector: Option<BTreeMap<String, String>>,
    ip_families: Option<Vec<String>>,
}

/// Some of the endpoints of a service.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndpointSlice {
    address_type: String,
    endpoints: Option<Vec<SliceEndpoint>>,
    ports: Option<Vec<EndpointPort>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SliceEndpoint {
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Conditions,
    target_ref: Option<TargetRef>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Conditions {
    ready: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Deserialize)]
struct TargetRef {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct EndpointPort {
    #[serde(default)]
    name: Option<String>,
    port: Option<u16>,
}

/// Addresses of ready pods, by pod name.
#[derive(Default)]
pub(super) struct Endpoints {
    port_name: Option<String>,
    /// Of a service with two families of addresses, the first: else each pod would be there twice.
    family: Option<String>,
    by_pod: BTreeMap<String, Vec<SocketAddr>>,
    /// Reasons why slices with ready pods were left out.
    complaints: BTreeSet<String>,
}

// === impl Service ===

impl Service {
    pub(super) fn read(body: &[u8]) -> Result<Self, FetchError> {
        list::expect(body, "Service", "v1")?;
        Ok(json::read(body)?)
    }

    /// Its pods' labels, as a selector.
    pub(super) fn selector(&self) -> Result<String, FetchError> {
        let labels = self.spec.selector.iter().flatten().map(|(label, value)| format!("{label}={value}"));
        let selector = labels.collect::<Vec<_>>().join(",");
        if selector.is_empty() {
            return Err(FetchError::Invalid("the service has no selector, so its endpoints are no pods".to_owned()));
        }
        Ok(selector)
    }

    pub(super) fn family(&self) -> Option<String> {
        self.spec.ip_families.as_ref()?.first().cloned()
    }
}

// === impl Endpoints ===

impl Endpoints {
    pub(super) fn new(port_name: Option<String>, family: Option<String>) -> Self {
        Self { port_name, family, ..Self::default() }
    }

    /// Takes the pods of a slice that are ready. Readiness that is not known counts as ready, as
    /// the API says. A slice whose ports do not say which is meant costs its own pods alone, as
    /// with kube-proxy: pods that lack the named port are in slices of their own, and so is the
    /// empty slice of a service without pods.
    ///
    /// # Errors
    ///
    /// The slice has several ports, and the configuration names none.
    pub(super) fn add(&mut self, slice: EndpointSlice) -> Result<(), FetchError> {
        if self.family.as_ref().is_some_and(|family| *family != slice.address_type) {
            return Ok(());
        }
        let port = match self.port(slice.ports.as_deref().unwrap_or_default())? {
            Ok(port) => port,
            Err(complaint) => {
                if slice.endpoints.iter().flatten().any(SliceEndpoint::is_ready_pod) {
                    self.complaints.insert(complaint);
                }
                return Ok(());
            }
        };
        for endpoint in slice.endpoints.into_iter().flatten() {
            if !endpoint.is_ready_pod() {
                continue;
            }
            let Some(pod) = endpoint.target_ref else { continue };
            // All addresses of an endpoint are of one pod; consumers use the first.
            let Some(address) = endpoint.addresses.first().and_then(|address| address.parse().ok()) else { continue };
            self.by_pod.entry(pod.name).or_default().push(SocketAddr::new(address, port));
        }
        Ok(())
    }

    /// Takes the reasons why pods were left out.
    pub(super) fn complaints(&mut self) -> impl Iterator<Item = String> + use<> {
        std::mem::take(&mut self.complaints).into_iter()
    }

    /// The addresses of a pod; none if it is not ready.
    pub(super) fn of(&self, pod: &str) -> Vec<SocketAddr> {
        self.by_pod.get(pod).cloned().unwrap_or_default()
    }

    /// The port that is meant, or why these pods have none.
    fn port(&self, ports: &[EndpointPort]) -> Result<Result<u16, String>, FetchError> {
        let name_of = |port: &EndpointPort| port.name.clone().unwrap_or_default();
        let meant: Vec<&EndpointPort> = match &self.port_name {
            Some(name) => ports.iter().filter(|port| name_of(port) == *name).collect(),
            None => ports.iter().collect(),
        };
        let names: Vec<String> = ports.iter().map(name_of).collect();
        match (meant.as_slice(), &self.port_name) {
            ([EndpointPort { port: Some(port @ 1..), .. }], _) => Ok(Ok(*port)),
            ([_, _, ..], None) => {
                let has = format!("the service has the ports {names:?}, expected `port_name` to say which is meant");
                Err(FetchError::Invalid(has))
            }
            (_, Some(name)) => {
                Ok(Err(format!("ready pods are left out that have the ports {names:?}, expected one called {name:?}")))
            }
            (_, None) => Ok(Err(
                "ready pods are left out: the service has no port, or they lack the one that it names".to_owned(),
            )),
        }
    }
}

// === impl SliceEndpoint ===

impl SliceEndpoint {
    fn is_ready_pod(&self) -> bool {
        let Conditions { ready, terminating } = self.conditions;
        let is_ready = ready.unwrap_or(true) && !terminating.unwrap_or(false);
        is_ready && self.target_ref.as_ref().is_some_and(|target| target.kind == "Pod")
    }
}
