//! State of one VM: a [`Router`] for each configuration, and which of them each stream belongs to.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::host::{Buffer, Host};
use super::router::Router;
use crate::config::Config;
use crate::scheduling::request::RequestId;

/// See the module. The proxy enters a VM for one callback at a time, so nothing is ever borrowed twice; if it were, the call
/// would be as if it had not come.
pub struct Vm<H: Host> {
    host: H,
    /// By root context; most VMs have one, and two while an update is under way.
    routers: RefCell<Vec<(u32, Router<H>)>>,
    /// The root of each stream.
    streams: RefCell<BTreeMap<u32, u32>>,
}

// === impl Vm ===

impl<H: Host> Vm<H> {
    /// Returns a VM in which nothing is configured yet.
    pub const fn new(host: H) -> Self {
        Self { host, routers: RefCell::new(Vec::new()), streams: RefCell::new(BTreeMap::new()) }
    }

    /// Puts the configuration of a root into force. `false`: it is refused.
    pub fn configure(&self, root: u32, size: usize) -> bool {
        let text = self.host.buffer(Buffer::Configuration, 0, size).unwrap_or_default();
        match Config::from_json(&text) {
            Ok(config) => {
                let summary = config.summary();
                log::info!("slo-router {} ({}): {summary}", env!("CARGO_PKG_VERSION"), env!("SLO_ROUTER_GIT_HASH"));
                let Ok(mut routers) = self.routers.try_borrow_mut() else { return false };
                routers.retain(|(known, _)| *known != root);
                routers.push((root, Router::new(config, self.host.clone())));
                true
            }
            Err(error) => {
                log::error!("slo-router: configuration refused: {error}");
                false
            }
        }
    }

    /// A request came under a root.
    pub fn add_stream(&self, stream: u32, root: u32) {
        if let Ok(mut streams) = self.streams.try_borrow_mut() {
            streams.insert(stream, root);
        }
    }

    /// Runs `call` on the router of a root; `None` where it has none, since its configuration was refused.
    pub fn on_root<R>(&self, root: u32, call: impl FnOnce(&mut Router<H>) -> R) -> Option<R> {
        let mut routers = self.routers.try_borrow_mut().ok()?;
        routers.iter_mut().find(|(known, _)| *known == root).map(|(_, router)| call(router))
    }

    /// Runs `call` on the router of a stream's root.
    pub fn on_stream<R>(&self, stream: u32, call: impl FnOnce(&mut Router<H>) -> R) -> Option<R> {
        let root = *self.streams.try_borrow().ok()?.get(&stream)?;
        self.on_root(root, call)
    }

    /// A stream or a root is gone.
    pub fn delete(&self, context: u32) {
        let root = self.streams.try_borrow_mut().ok().and_then(|mut streams| streams.remove(&context));
        if let Some(root) = root {
            self.on_root(root, |router| router.on_stream_end(RequestId(context)));
            return;
        }
        self.on_root(context, Router::on_end);
        if let Ok(mut routers) = self.routers.try_borrow_mut() {
            routers.retain(|(root, _)| *root != context);
        }
    }
}
