//! Contexts of the proxy: a root for each configuration, and an exchange for each stream. All of a
//! root share its [`Router`].

use std::cell::RefCell;
use std::rc::Rc;

use super::host::{Buffer, Host};
use super::router::Router;
use crate::config::Config;
use crate::scheduling::request::RequestId;

/// The router of a root; none before its configuration, where that was refused, and after its end.
///
/// The proxy enters a VM for one callback at a time, so nothing is ever borrowed twice; if it were,
/// the call would be as if it had not come.
struct Shared<H: Host>(Rc<RefCell<Option<Router<H>>>>);

/// A root context. Its end, when it is dropped, is that of its router.
pub struct Root<H: Host> {
    host: H,
    router: Shared<H>,
}

/// The context of a request and its response, which end when it is dropped.
pub struct Exchange<H: Host> {
    id: RequestId,
    router: Shared<H>,
}

// === impl Shared ===

impl<H: Host> Shared<H> {
    fn run<R>(&self, call: impl FnOnce(&mut Router<H>) -> R) -> Option<R> {
        self.0.try_borrow_mut().ok()?.as_mut().map(call)
    }

    fn replace(&self, router: Option<Router<H>>) -> bool {
        self.0.try_borrow_mut().map(|mut current| *current = router).is_ok()
    }
}

impl<H: Host> Clone for Shared<H> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

// === impl Root ===

impl<H: Host> Root<H> {
    /// Returns a root that is not configured yet.
    pub fn new(host: H) -> Self {
        Self { host, router: Shared(Rc::default()) }
    }

    /// Puts a configuration of this size into force. `false`: it is refused.
    pub fn configure(&self, size: usize) -> bool {
        let text = self.host.buffer(Buffer::Configuration, 0, size).unwrap_or_default();
        match Config::from_json(&text) {
            Ok(config) => {
                let summary = config.summary();
                log::info!("slo-router {} ({}): {summary}", env!("CARGO_PKG_VERSION"), env!("SLO_ROUTER_GIT_HASH"));
                self.router.replace(Some(Router::new(config, self.host.clone())))
            }
            Err(error) => {
                log::error!("slo-router: configuration refused: {error}");
                false
            }
        }
    }

    /// Returns the context of a request that came under this root.
    pub fn exchange(&self, id: RequestId) -> Exchange<H> {
        Exchange { id, router: self.router.clone() }
    }

    /// Runs `call` on the router; `None` where there is none.
    pub fn run<R>(&self, call: impl FnOnce(&mut Router<H>) -> R) -> Option<R> {
        self.router.run(call)
    }
}

impl<H: Host> Drop for Root<H> {
    fn drop(&mut self) {
        self.run(Router::on_end);
        self.router.replace(None);
    }
}

// === impl Exchange ===

impl<H: Host> Exchange<H> {
    /// Runs `call` on the root's router; `None` where there is none.
    pub fn run<R>(&self, call: impl FnOnce(&mut Router<H>, RequestId) -> R) -> Option<R> {
        self.router.run(|router| call(router, self.id))
    }
}

impl<H: Host> Drop for Exchange<H> {
    fn drop(&mut self) {
        self.run(Router::on_stream_end);
    }
}
