//! The contexts that the proxy calls. Each callback goes straight to the
//! [`Router`](crate::session::Router) of its root.
//!
//! A context's end is reported as it is dropped, with `proxy_on_delete`; the two callbacks before
//! that at a stream's end say no more.
//!
//! The crate's dispatcher panics on what Envoy does not do. Sources are
//! `source/extensions/common/wasm/context.cc` of Envoy (`Context::…`) and `src/` of
//! proxy-wasm-cpp-host (all else).
//!
//! - A callback of a context that it does not know. `Context::decodeHeaders` and `Context::log`
//!   create a stream's first, and the others return where it was not created. `Context::onDestroy`
//!   deletes it once, after the log; HTTP/3, which logs after that, leaves out the logs of filters.
//!   A tick or a message of a root that is gone reaches nobody (`Wasm::tickHandler`,
//!   `SharedQueue::enqueue`).
//! - A context that it knows already. `WasmBase::allocContextId` gives no number twice, and
//!   `WasmBase::start` begins a root anew only where a worker refused the configuration that the
//!   main thread took, which goes by its text alone.
//! - A callback within another. What resumes or answers a stream, and a callout's answer that is
//!   there at once, wait until the guest has returned (`WasmBase::addAfterVmCallAction`). Memory is
//!   asked for amid calls, but not of the dispatcher.
//! - An answer of a callout that was not sent, or has been answered: `Context::onHttpCallSuccess`
//!   and `onHttpCallFailure` return then.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

use super::host::Proxy;
use crate::scheduling::request::RequestId;
use crate::session::{Exchange, Next, Root};

proxy_wasm::main! {{
    // Below Envoy's own threshold nothing arrives in its log.
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::new(Proxy)));
}}

/// Tells Envoy to pause or to go on; a stream whose root is gone goes on.
fn action(next: Option<Next>) -> Action {
    if next == Some(Next::Wait) { Action::Pause } else { Action::Continue }
}

impl Context for Root<Proxy> {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_size: usize, _trailers: usize) {
        self.run(|router| router.on_callout_answer(token, headers > 0, body_size));
    }
}

impl RootContext for Root<Proxy> {
    fn on_configure(&mut self, size: usize) -> bool {
        self.configure(size)
    }

    fn on_tick(&mut self) {
        self.run(|router| router.on_tick());
    }

    fn on_queue_ready(&mut self, queue: u32) {
        self.run(|router| router.on_message(queue));
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(self.exchange(RequestId(id))))
    }
}

impl Context for Exchange<Proxy> {}

impl HttpContext for Exchange<Proxy> {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        action(self.run(|router, id| router.on_request_headers(id, end_of_stream)))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        action(self.run(|router, id| router.on_request_body(id, size, end_of_stream)))
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        action(self.run(|router, id| router.on_request_trailers(id)))
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.run(|router, id| router.on_response_headers(id, end_of_stream));
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.run(|router, id| router.on_response_body(id, size, end_of_stream));
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        self.run(|router, id| router.on_response_trailers(id));
        Action::Continue
    }
}
