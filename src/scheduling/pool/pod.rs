//! Pods of a pool.

use std::net::SocketAddr;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::stable_hash::stable_hash;
use crate::json::{address, text};
use crate::scheduling::deployment::DeploymentName;

/// A pod's identity over changes of the pool and over VMs: a hash of its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PodId(u64);

/// One upstream endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its identity.
    pub id: PodId,
    /// Address by which Envoy reaches it.
    pub address: SocketAddr,
    /// The same, as a header names it: written once, not for each request.
    pub destination: Rc<str>,
    /// Position of its deployment in [`Pool::deployments`](super::Pool::deployments).
    pub deployment: usize,
    /// The models it serves; empty means any.
    pub(super) models: Rc<[String]>,
}

/// A pod as the configuration or a document names it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PodSpec {
    /// Address at which it listens.
    #[serde(deserialize_with = "address::unicast")]
    pub address: SocketAddr,
    /// Name of its deployment.
    pub deployment: DeploymentName,
    /// The names it serves; empty if it serves any.
    #[serde(default, deserialize_with = "text::list::<text::ModelName, _>", skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
}

// === impl PodId ===

impl PodId {
    /// The identity of the pod at `address`.
    pub fn of(address: SocketAddr) -> Self {
        Self(stable_hash(&address))
    }

    /// The hash.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// A pod without an address, for tests.
    #[cfg(test)]
    pub(crate) const fn numbered(number: u64) -> Self {
        Self(number)
    }
}
