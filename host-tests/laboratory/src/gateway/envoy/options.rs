//! Differences of one Envoy from the shipped configuration.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value as Json;
use serde_norway::Value as Yaml;

type Change = Arc<dyn Fn(&mut Yaml) + Send + Sync>;

/// Options to start with: the shipped configuration with these differences.
#[derive(Clone)]
pub struct Options {
    pub(super) workers: u32,
    pub(super) pods: Vec<SocketAddr>,
    pub(super) filter: Json,
    pub(super) profiles: Option<SocketAddr>,
    pub(super) vm_id: String,
    pub(super) dynamic: bool,
    changes: Vec<Change>,
}

// === impl Options ===

impl Options {
    /// One worker with this filter configuration; these are the endpoints of the cluster `pods` (the filter's own list of
    /// pods is in its configuration).
    pub fn new(filter: Json, pods: impl IntoIterator<Item = SocketAddr>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let vm_id = format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let pods = pods.into_iter().collect();
        Self { workers: 1, pods, filter, profiles: None, vm_id, dynamic: false, changes: Vec::new() }
    }

    /// So many worker threads (`--concurrency`).
    #[must_use]
    pub fn workers(self, workers: u32) -> Self {
        Self { workers, ..self }
    }

    /// The cluster `profiles` is this server, instead of the shipped listener that serves a file.
    #[must_use]
    pub fn profiles(self, server: SocketAddr) -> Self {
        Self { profiles: Some(server), ..self }
    }

    /// The name of what the VMs share, instead of a unique one.
    #[must_use]
    pub fn vm_id(self, vm_id: impl Into<String>) -> Self {
        Self { vm_id: vm_id.into(), ..self }
    }

    /// The gateway's listener comes as a dynamic resource, so that [`Envoy::update`](super::Envoy::update) can change it.
    #[must_use]
    pub fn dynamic(self) -> Self {
        Self { dynamic: true, ..self }
    }

    /// Adds a cluster with this one endpoint to Envoy's.
    ///
    /// # Panics
    /// Where the configuration has no clusters.
    #[must_use]
    pub fn cluster(self, name: &'static str, address: SocketAddr) -> Self {
        self.change(move |config| super::config::add_cluster(config, name, address))
    }

    /// Changes the configuration itself, after everything else was filled in and before a dynamic listener is taken out;
    /// [`find`](super::find) and [`path`](super::path) help to get at a place.
    #[must_use]
    pub fn change(mut self, change: impl Fn(&mut Yaml) + Send + Sync + 'static) -> Self {
        self.changes.push(Arc::new(change));
        self
    }

    /// Applies the changes.
    pub(super) fn apply(&self, yaml: &mut Yaml) {
        for change in &self.changes {
            change(yaml);
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("workers", &self.workers)
            .field("pods", &self.pods)
            .field("filter", &self.filter)
            .field("vm_id", &self.vm_id)
            .finish_non_exhaustive()
    }
}
