//! Names in shared data.

use crate::scheduling::pool::DeploymentId;

/// Changes whenever a value's format does, so that an old and a new filter can run side by side.
const FORMAT: u32 = 11;

/// The keys of one pool. Istio's plugins share one namespace, so all begin alike.
#[derive(Clone, Debug)]
pub struct Keys {
    prefix: String,
}

// === impl Keys ===

impl Keys {
    /// The keys of the pool called `pool`.
    pub fn of(pool: &str) -> Self {
        Self { prefix: format!("slo-router/{FORMAT}/{pool}") }
    }

    /// Key of the pool's state that all VMs read and write.
    pub fn pool_state(&self) -> String {
        format!("{}/pool_state", self.prefix)
    }

    /// Key of the view on other gateways.
    pub fn peer_view(&self) -> String {
        format!("{}/peer_view", self.prefix)
    }

    /// The name of a slot's mailbox.
    pub fn mailbox(&self, slot: u8) -> String {
        format!("{}/mailbox/{slot}", self.prefix)
    }

    /// Key of a model's learned output lengths.
    pub fn lengths(&self, model: &str) -> String {
        format!("{}/lengths/{model}", self.prefix)
    }

    /// Key of a page of the runs of the VM on a slot.
    pub fn runs(&self, slot: u8, page: usize) -> String {
        format!("{}/runs/{slot}/{page}", self.prefix)
    }

    /// Key of a deployment's learned speed.
    pub fn learned(&self, deployment: DeploymentId) -> String {
        format!("{}/speed/{:016x}", self.prefix, deployment.as_u64())
    }

    /// Key of what was learned of how long a deployment's pods keep prefixes.
    pub fn retention(&self, deployment: DeploymentId) -> String {
        format!("{}/retention/{:016x}", self.prefix, deployment.as_u64())
    }

    /// Key of the secret that hashes of prompts are keyed by.
    pub fn prompt_secret(&self) -> String {
        format!("{}/prompt_secret", self.prefix)
    }

    /// Key of some of the stored responses; `cell` is one of a fixed number.
    pub fn responses(&self, cell: u64) -> String {
        format!("{}/responses/{cell}", self.prefix)
    }

    /// Key of a source's state: its version and who fetches it. `cell` is one of a few, reused by
    /// configurations.
    pub fn source(&self, kind: &str, cell: usize) -> String {
        format!("{}/source/{kind}/{cell}", self.prefix)
    }

    /// A hash of what was last logged of something, by whichever VM.
    pub fn said(&self, of: &str) -> String {
        format!("{}/said/{of}", self.prefix)
    }

    /// The last good document of a source.
    pub fn document(&self, kind: &str, cell: usize) -> String {
        format!("{}/document/{kind}/{cell}", self.prefix)
    }
}
