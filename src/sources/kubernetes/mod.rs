//! Pods from the API server of Kubernetes: those behind a service, of an inference pool, or with
//! certain labels.
//!
//! The filter lists, it does not watch: a callout is one request with one answer. The token is
//! Envoy's: this source sends none.

mod inference_pool;
mod list;
mod owner;
mod pod;
mod query;
mod slice;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::hash::Hash;

use fnv::FnvHasher;
use serde::Deserialize;

pub(super) use self::list::expect;
pub(super) use self::query::ObjectName;
pub use self::query::Query;

use self::inference_pool::InferencePool;
use self::list::{List, ListKind};
use self::pod::{KubernetesPod, Metadata};
use self::query::{By, QueryDocument};
use self::slice::{EndpointSlice, Endpoints, Service};
use super::callout::{Callout, FetchError, FetchRequest, callout_document};
use super::document::Fetched;
use super::fetch::{Fetch, FetchProgress};
use super::pods::PodDocument;
use super::source::Source;
use crate::json::{self, JsonError};
use crate::scheduling::deployment::DeploymentName;
use crate::scheduling::pool::{MAX_PODS, PodSpec};

/// Answers of one fetch at most: a server that always has another page is not followed for ever.
const MAX_PAGES: usize = 1_000;

/// Complaints of one fetch that are told; the rest are counted.
const MAX_COMPLAINTS: usize = 3;

/// Query for pods, and the server that knows them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "KubernetesDocument")]
pub struct KubernetesSource {
    /// The API server, or a proxy before it that adds the token.
    pub callout: Callout,
    /// Pods that are asked for.
    pub query: Query,
}

callout_document!(KubernetesDocument every "crate::sources::callout::often" {
    namespace: String,
    service: Option<String>,
    port_name: Option<String>,
    inference_pool: Option<String>,
    selector: Option<String>,
    port: Option<u16>,
    deployment_label: Option<String>,
    #[serde(default, deserialize_with = "json::text::list::<json::text::ModelName, _>")]
    models: Vec<String>,
});

/// A fetch: which lists are to come, and what was gathered from those before.
struct KubernetesFetch {
    query: Query,
    /// The lists to ask for, the one under way first.
    lists: VecDeque<Asked>,
    /// Token of the page to ask for next; `None` for the first.
    at: Option<String>,
    pages: usize,
    /// The port of the pods, as the service or the inference pool says.
    ports: Vec<u16>,
    /// Addresses of the service's pods, by pod name.
    endpoints: Option<Endpoints>,
    pods: BTreeMap<std::net::SocketAddr, PodSpec>,
    /// Owners of a kind that may stand for one replica each: the deployments that they name, by
    /// kind.
    lone: BTreeMap<String, BTreeMap<DeploymentName, Lone>>,
    complaints: Vec<String>,
    more_complaints: usize,
}

/// Pods of a deployment whose owner may stand for one of them alone.
struct Lone {
    pods: usize,
    owner: String,
}

/// An object or a list to ask for.
enum Asked {
    Service(String),
    Slices(String),
    InferencePool(String),
    /// Pods with these labels; the whole objects, or their metadata alone where the endpoints say
    /// the rest.
    Pods {
        selector: String,
        metadata_only: bool,
    },
}

// === impl KubernetesSource ===

impl Source<PodDocument> for KubernetesSource {
    fn callout(&self) -> &Callout {
        &self.callout
    }

    fn identify(&self, hasher: &mut FnvHasher) {
        (2_isize, &self.query).hash(hasher);
    }

    fn fetch(&self, _: Option<String>) -> Box<dyn Fetch<PodDocument>> {
        let first = match &self.query.by {
            By::Service { name, .. } => Asked::Service(name.clone()),
            By::InferencePool { name } => Asked::InferencePool(name.clone()),
            By::Selector { selector, .. } => Asked::Pods { selector: selector.clone(), metadata_only: false },
        };
        let ports = match self.query.by {
            By::Selector { port, .. } => vec![port],
            By::Service { .. } | By::InferencePool { .. } => Vec::new(),
        };
        Box::new(KubernetesFetch {
            query: self.query.clone(),
            lists: VecDeque::from([first]),
            at: None,
            pages: 0,
            ports,
            endpoints: None,
            pods: BTreeMap::new(),
            lone: BTreeMap::new(),
            complaints: Vec::new(),
            more_complaints: 0,
        })
    }
}

impl fmt::Display for KubernetesSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Callout { cluster, interval, .. } = &self.callout;
        write!(f, "Kubernetes' {}, by {cluster} every {interval:?}", self.query)
    }
}

impl TryFrom<KubernetesDocument> for KubernetesSource {
    type Error = String;

    fn try_from(document: KubernetesDocument) -> Result<Self, String> {
        let callout = document.callout();
        let KubernetesDocument {
            namespace,
            service,
            port_name,
            inference_pool,
            selector,
            port,
            deployment_label,
            models,
            ..
        } = document;
        let query =
            QueryDocument { namespace, service, port_name, inference_pool, selector, port, deployment_label, models };
        Ok(Self { callout, query: query.try_into()? })
    }
}

// === impl KubernetesFetch ===

impl Fetch<PodDocument> for KubernetesFetch {
    fn request(&self) -> FetchRequest {
        let namespace = &self.query.namespace;
        let at = self.at.as_deref();
        match self.lists.front() {
            Some(Asked::Service(name)) => FetchRequest::json(format!("/api/v1/namespaces/{namespace}/services/{name}")),
            Some(Asked::InferencePool(name)) => FetchRequest::json(format!(
                "/apis/inference.networking.k8s.io/v1/namespaces/{namespace}/inferencepools/{name}"
            )),
            Some(Asked::Slices(service)) => {
                let selector = format!("kubernetes.io/service-name={service}");
                let path = format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices");
                FetchRequest::json(list::path(&path, &selector, at))
            }
            Some(Asked::Pods { selector, metadata_only }) => {
                let path = list::path(&format!("/api/v1/namespaces/{namespace}/pods"), selector, at);
                let accept = if *metadata_only { list::METADATA_ONLY } else { "application/json" };
                FetchRequest { accept, ..FetchRequest::json(path) }
            }
            // Not asked for: the fetch is over.
            None => FetchRequest::json("/"),
        }
    }

    fn read(&mut self, body: &[u8]) -> Result<FetchProgress<PodDocument>, FetchError> {
        self.pages += 1;
        if self.pages > MAX_PAGES {
            return Err(FetchError::Invalid(format!(
                "more than {MAX_PAGES} answers, each of which says there is more"
            )));
        }
        self.at = match self.lists.front() {
            Some(Asked::Service(_)) => self.read_service(body)?,
            Some(Asked::InferencePool(_)) => self.read_inference_pool(body)?,
            Some(Asked::Slices(_)) => self.read_slices(body)?,
            Some(Asked::Pods { metadata_only: true, .. }) => self.read_metadata(body)?,
            Some(Asked::Pods { metadata_only: false, .. }) => self.read_pods(body)?,
            None => None,
        };
        if self.pods.len() > MAX_PODS {
            return Err(FetchError::Invalid(format!("more than {MAX_PODS} pods")));
        }
        if self.at.is_none() {
            self.lists.pop_front();
        }
        if self.lists.is_empty() { Ok(FetchProgress::Done(self.fetched()?)) } else { Ok(FetchProgress::Next) }
    }
}

impl KubernetesFetch {
    fn read_service(&mut self, body: &[u8]) -> Result<Option<String>, FetchError> {
        let service = Service::read(body)?;
        let By::Service { name, port_name } = &self.query.by else { return Ok(None) };
        self.endpoints = Some(Endpoints::new(port_name.clone(), service.family()));
        self.lists.push_back(Asked::Slices(name.clone()));
        self.lists.push_back(Asked::Pods { selector: service.selector()?, metadata_only: true });
        Ok(None)
    }

    fn read_slices(&mut self, body: &[u8]) -> Result<Option<String>, FetchError> {
        let List { items, next } = List::<EndpointSlice>::read(body, ListKind::EndpointSlices)?;
        if let Some(endpoints) = &mut self.endpoints {
            items.into_iter().try_for_each(|slice| endpoints.add(slice))?;
        }
        Ok(next)
    }

    fn read_inference_pool(&mut self, body: &[u8]) -> Result<Option<String>, FetchError> {
        let pool = InferencePool::read(body)?;
        self.ports = pool.ports;
        self.lists.push_back(Asked::Pods { selector: pool.selector, metadata_only: false });
        Ok(None)
    }

    /// Pods that no endpoint names are not ready.
    fn read_metadata(&mut self, body: &[u8]) -> Result<Option<String>, FetchError> {
        let List { items, next } = List::<Metadata>::read(body, ListKind::Metadata)?;
        let endpoints = self.endpoints.take().unwrap_or_default();
        for pod in items {
            let addresses = endpoints.of(&pod.metadata.name);
            self.add(&pod.metadata, &addresses);
        }
        self.endpoints = Some(endpoints);
        Ok(next)
    }

    fn read_pods(&mut self, body: &[u8]) -> Result<Option<String>, FetchError> {
        let List { items, next } = List::<KubernetesPod>::read(body, ListKind::Pods)?;
        let by_label = matches!(self.query.by, By::Selector { .. });
        for pod in items.iter().filter(|pod| pod.is_ready()) {
            match pod.addresses(&self.ports, by_label) {
                Ok(addresses) => self.add(&pod.metadata, &addresses),
                Err(complaint) => self.complain(complaint),
            }
        }
        Ok(next)
    }

    fn add(&mut self, pod: &owner::ObjectMeta, addresses: &[std::net::SocketAddr]) {
        if addresses.is_empty() {
            return;
        }
        let label = self.query.deployment_label.as_deref();
        match pod.deployment(&self.query.namespace, label) {
            Ok(deployment) => {
                if let Some((kind, owner)) = pod.unknown_owner(label) {
                    let of_kind = self.lone.entry(kind.to_owned()).or_default();
                    let lone = of_kind.entry(deployment.clone());
                    lone.or_insert_with(|| Lone { pods: 0, owner: owner.to_owned() }).pods += 1;
                }
                let models = if self.query.models.is_empty() { pod.models() } else { self.query.models.clone() };
                for address in addresses {
                    let pod = PodSpec { address: *address, deployment: deployment.clone(), models: models.clone() };
                    self.pods.insert(*address, pod);
                }
            }
            Err(complaint) => self.complain(complaint),
        }
    }

    fn complain(&mut self, complaint: String) {
        if self.complaints.len() < MAX_COMPLAINTS {
            self.complaints.push(complaint);
        } else {
            self.more_complaints += 1;
        }
    }

    /// Says so where each pod has an owner of its own, which then is no deployment.
    fn complain_of_lone_pods(&mut self) {
        for (kind, deployments) in std::mem::take(&mut self.lone) {
            if let Some(first) = deployments.values().next()
                && deployments.len() > 1
                && deployments.values().all(|lone| lone.pods == 1)
            {
                self.complain(format!(
                    "each of {} pods has an owner {kind} of its own (such as {:?}), and so a deployment of its own: if they are \
                     one, name it by a label (`deployment_label`)",
                    deployments.len(),
                    first.owner
                ));
            }
        }
    }

    fn fetched(&mut self) -> Result<Fetched<PodDocument>, JsonError> {
        let complaints = self.endpoints.as_mut().map(Endpoints::complaints);
        complaints.into_iter().flatten().for_each(|complaint| self.complain(complaint));
        self.complain_of_lone_pods();
        let mut complaints = std::mem::take(&mut self.complaints);
        if self.more_complaints > 0 {
            complaints.push(format!("and {} more", self.more_complaints));
        }
        PodDocument::listed(std::mem::take(&mut self.pods).into_values(), complaints)
    }
}
