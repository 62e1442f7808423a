//! Services and their endpoint slices.

use std::collections::BTreeMap;
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
    endpoints: Option<Vec<Endpoint>>,
    ports: Option<Vec<Port>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Conditions,
    target_ref: Option<Target>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Conditions {
    ready: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Deserialize)]
struct Target {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Port {
    #[serde(default)]
    name: Option<String>,
    port: Option<u16>,
}

/// Where ready pods are reached, by their names.
#[derive(Default)]
pub(super) struct Endpoints {
    port_name: Option<String>,
    /// Of a service with two families of addresses, the first: else each pod would be there twice.
    family: Option<String>,
    by_pod: BTreeMap<String, Vec<SocketAddr>>,
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
        Self { port_name, family, by_pod: BTreeMap::new() }
    }

    /// Takes the pods of a slice that are ready. Readiness that is not known counts as ready, as the API says.
    pub(super) fn add(&mut self, slice: EndpointSlice) -> Result<(), FetchError> {
        if self.family.as_ref().is_some_and(|family| *family != slice.address_type) {
            return Ok(());
        }
        let Some(port) = self.port(slice.ports.as_deref().unwrap_or_default())? else { return Ok(()) };
        for endpoint in slice.endpoints.into_iter().flatten() {
            let Conditions { ready, terminating } = endpoint.conditions;
            let is_ready = ready.unwrap_or(true) && !terminating.unwrap_or(false);
            let Some(pod) = endpoint.target_ref.filter(|target| is_ready && target.kind == "Pod") else { continue };
            // All addresses of an endpoint are of one pod; consumers use the first.
            let Some(address) = endpoint.addresses.first().and_then(|address| address.parse().ok()) else { continue };
            self.by_pod.entry(pod.name).or_default().push(SocketAddr::new(address, port));
        }
        Ok(())
    }

    /// The addresses of a pod; none if it is not ready.
    pub(super) fn of(&self, pod: &str) -> Vec<SocketAddr> {
        self.by_pod.get(pod).cloned().unwrap_or_default()
    }

    /// The port that is meant; `None` in a slice that has none yet.
    fn port(&self, ports: &[Port]) -> Result<Option<u16>, FetchError> {
        let name_of = |port: &Port| port.name.clone().unwrap_or_default();
        let meant: Vec<&Port> = match &self.port_name {
            Some(name) => ports.iter().filter(|port| name_of(port) == *name).collect(),
            None => ports.iter().collect(),
        };
        match (meant.as_slice(), &self.port_name) {
            ([port], _) => Ok(port.port.filter(|port| *port > 0)),
            ([], None) => Ok(None),
            (_, port_name) => {
                let names: Vec<String> = ports.iter().map(name_of).collect();
                let meant = match port_name {
                    Some(name) => format!("expected one called {name:?}"),
                    None => "expected `port_name` to say which is meant".to_owned(),
                };
                Err(FetchError::Invalid(format!("the service has the ports {names:?}, {meant}")))
            }
        }
    }
}
