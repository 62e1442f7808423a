//! Pods of Kubernetes.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

use super::owner::ObjectMeta;

/// A pod, as far as it concerns us.
#[derive(Deserialize)]
pub(super) struct KubernetesPod {
    pub(super) metadata: ObjectMeta,
    #[serde(default)]
    status: PodStatus,
}

/// The metadata of a pod alone.
#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) metadata: ObjectMeta,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodStatus {
    #[serde(rename = "podIP")]
    pod_ip: Option<IpAddr>,
    conditions: Option<Vec<Condition>>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

// === impl KubernetesPod ===

impl KubernetesPod {
    /// Returns `true` if it takes requests: it is ready, and not on its way out.
    pub(super) fn is_ready(&self) -> bool {
        let conditions = self.status.conditions.as_deref().unwrap_or_default();
        self.metadata.deletion_timestamp.is_none()
            && self.status.pod_ip.is_some()
            && conditions.iter().any(|condition| condition.kind == "Ready" && condition.status == "True")
    }

    /// Returns its addresses: on these ports, or, if that counts, on that of its label.
    pub(super) fn addresses(&self, ports: &[u16], by_label: bool) -> Result<Vec<SocketAddr>, String> {
        let Some(ip) = self.status.pod_ip else { return Ok(Vec::new()) };
        let labelled = if by_label { self.metadata.port()? } else { None };
        let ports = labelled.as_ref().map_or(ports, std::slice::from_ref);
        Ok(ports.iter().map(|port| SocketAddr::new(ip, *port)).collect())
    }
}
