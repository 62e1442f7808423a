//! The `InferencePool` of the Gateway API Inference Extension.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::list;
use crate::json;
use crate::sources::callout::FetchError;

/// Selector of an inference pool's pods, and their ports: each port is an endpoint of its own, as
/// with data parallelism.
pub(super) struct InferencePool {
    pub(super) selector: String,
    pub(super) ports: Vec<u16>,
}

#[derive(Deserialize)]
struct InferencePoolDocument {
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    selector: LabelSelector,
    target_ports: Vec<TargetPort>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LabelSelector {
    match_labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct TargetPort {
    number: u16,
}

// === impl InferencePool ===

impl InferencePool {
    pub(super) fn read(body: &[u8]) -> Result<Self, FetchError> {
        list::expect(body, "InferencePool", "inference.networking.k8s.io/v1")?;
        let InferencePoolDocument { spec: Spec { selector, target_ports } } = json::read(body)?;
        let labels = selector.match_labels.iter().map(|(label, value)| format!("{label}={value}"));
        let selector = labels.collect::<Vec<_>>().join(",");
        let ports: Vec<u16> = target_ports.into_iter().map(|port| port.number).filter(|port| *port > 0).collect();
        if selector.is_empty() || ports.is_empty() {
            return Err(FetchError::Invalid("the inference pool has no labels or no ports to go by".to_owned()));
        }
        Ok(Self { selector, ports })
    }
}
