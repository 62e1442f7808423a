//! An API server of Kubernetes, as far as the filter asks it. What it serves, the test changes while it runs.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use laboratory::server::scripted::{Answer, Arrival, Plan, Pod};
use serde_json::{Value, json};

/// Items of a page, whatever the client's limit is.
const PAGE: usize = 2;

/// A server on a port of its own.
#[derive(Debug)]
pub struct Api {
    /// Server, and record of what has come to it.
    pub server: Pod,
    cluster: Arc<Mutex<Cluster>>,
}

/// State that the API server knows.
#[derive(Debug, Default)]
pub struct Cluster {
    /// Objects by their path.
    pub objects: BTreeMap<String, Value>,
    /// Pods of the namespace.
    pub pods: Vec<Value>,
    /// Endpoint slices of the service.
    pub slices: Vec<Value>,
    /// Value that a request must bring in `authorization`.
    pub token: Option<String>,
    /// An answer to every request, in place of the right one.
    pub instead: Option<Answer>,
}

// === impl Api ===

impl Api {
    pub fn start(cluster: Cluster) -> io::Result<Self> {
        let cluster = Arc::new(Mutex::new(cluster));
        let served = Arc::clone(&cluster);
        let plan = Plan::serve(move |arrival| served.lock().unwrap_or_else(PoisonError::into_inner).answer(arrival));
        Ok(Self { server: Pod::start(plan)?, cluster })
    }

    pub fn change(&self, change: impl FnOnce(&mut Cluster)) {
        change(&mut self.cluster.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

// === impl Cluster ===

impl Cluster {
    fn answer(&self, arrival: &Arrival) -> Answer {
        if self.token.is_some() && arrival.header("authorization") != self.token.as_deref() {
            return status(401, "Unauthorized");
        }
        if let Some(answer) = &self.instead {
            return answer.clone();
        }
        let (path, query) = arrival.path.split_once('?').unwrap_or((&arrival.path, ""));
        let at =
            query.split('&').find_map(|pair| pair.strip_prefix("continue=")).map_or(0, |at| at.parse().unwrap_or(0));
        let metadata_only = arrival.header("accept").is_some_and(|accept| accept.contains("PartialObjectMetadataList"));
        match (path.rsplit('/').next(), self.objects.get(path)) {
            (_, Some(object)) => Answer::json(object),
            (Some("endpointslices"), None) => list("EndpointSliceList", "discovery.k8s.io/v1", &self.slices, at),
            (Some("pods"), None) if metadata_only => {
                let metadata = |pod: &Value| json!({ "kind": "PartialObjectMetadata", "metadata": pod["metadata"] });
                let items: Vec<Value> = self.pods.iter().map(metadata).collect();
                list("PartialObjectMetadataList", "meta.k8s.io/v1", &items, at)
            }
            (Some("pods"), None) => list("PodList", "v1", &self.pods, at),
            _ => status(404, "the server could not find the requested resource"),
        }
    }
}

/// An error as the API server writes it.
pub fn status(code: u16, message: &str) -> Answer {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code,
    });
    Answer::status(code).header("content-type", "application/json").part(body.to_string())
}

fn list(kind: &str, version: &str, items: &[Value], at: usize) -> Answer {
    let page: Vec<&Value> = items.iter().skip(at).take(PAGE).collect();
    let mut metadata = json!({ "resourceVersion": "1" });
    if at + PAGE < items.len() {
        metadata["continue"] = json!((at + PAGE).to_string());
    }
    Answer::json(&json!({ "kind": kind, "apiVersion": version, "metadata": metadata, "items": page }))
}

/// The pod of a deployment, ready, listening where `pod` does.
pub fn object(name: &str, deployment: &str, pod: &Pod) -> Value {
    json!({
        "metadata": {
            "name": name,
            "labels": {
                "app": "llama", "pod-template-hash": "6b4f",
                "model.aibrix.ai/name": "m", "model.aibrix.ai/port": pod.address().port().to_string(),
            },
            "ownerReferences": [{ "kind": "ReplicaSet", "name": format!("{deployment}-6b4f"), "controller": true }],
        },
        "status": { "podIP": pod.address().ip().to_string(), "conditions": [{ "type": "Ready", "status": "True" }] },
    })
}

/// A service's slice with one endpoint, at `pod`.
pub fn slice(name: &str, pod: &Pod, ready: bool) -> Value {
    json!({
        "addressType": "IPv4",
        "ports": [{ "name": "http", "port": pod.address().port() }],
        "endpoints": [{
            "addresses": [pod.address().ip().to_string()],
            "conditions": { "ready": ready },
            "targetRef": { "kind": "Pod", "name": name },
        }],
    })
}
