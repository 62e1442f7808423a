//! The SDK's contexts: each callback is passed on to the [`Router`] of its root.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

use super::host::{self, Buffer};
use super::router::{Next, Router};
use crate::config::Config;
use crate::scheduling::request::RequestId;

/// Registers the filter with the SDK.
pub fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { router: Shared::default() }));
}

/// The router of a root context, shared with its streams; `None` before the configuration was accepted.
type Shared = Rc<RefCell<Option<Router>>>;

/// One configuration in one VM.
struct Root {
    router: Shared,
}

/// One request.
struct Stream {
    id: RequestId,
    router: Shared,
}

/// Runs `call` on the router. The proxy enters a VM for one callback at a time, so the router is never borrowed twice.
fn with<R>(router: &Shared, call: impl FnOnce(&mut Router) -> R) -> Option<R> {
    router.try_borrow_mut().ok()?.as_mut().map(call)
}

// === impl Root ===

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_size: usize, _trailers: usize) {
        with(&self.router, |router| router.on_callout_answer(token, headers > 0, body_size));
    }

    fn on_done(&mut self) -> bool {
        with(&self.router, Router::on_end);
        true
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let text = host::buffer(Buffer::Configuration, size).unwrap_or_default();
        match Config::from_json(&text) {
            Ok(config) => {
                let summary = config.summary();
                log::info!("slo-router {} ({}): {summary}", env!("CARGO_PKG_VERSION"), env!("SLO_ROUTER_GIT_HASH"));
                let Ok(mut router) = self.router.try_borrow_mut() else { return false };
                *router = Some(Router::new(config));
                true
            }
            Err(error) => {
                log::error!("slo-router: configuration refused: {error}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        with(&self.router, Router::on_tick);
    }

    fn on_queue_ready(&mut self, queue: u32) {
        with(&self.router, |router| router.on_message(queue));
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { id: RequestId(context_id), router: Rc::clone(&self.router) }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

// === impl Stream ===

impl Stream {
    fn ask(&self, call: impl FnOnce(&mut Router) -> Next) -> Action {
        match with(&self.router, call) {
            Some(Next::Wait) => Action::Pause,
            Some(Next::Go) | None => Action::Continue,
        }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.ask(|router| router.on_request_headers(self.id, end_of_stream))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.ask(|router| router.on_request_body(self.id, size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.ask(|router| router.on_request_trailers(self.id))
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        with(&self.router, |router| router.on_response_headers(self.id, end_of_stream));
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        with(&self.router, |router| router.on_response_body(self.id, size, end_of_stream));
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        with(&self.router, |router| router.on_response_trailers(self.id));
        Action::Continue
    }

    fn on_log(&mut self) {
        with(&self.router, |router| router.on_stream_end(self.id));
    }
}
