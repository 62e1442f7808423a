//! A filter that does what it is told, and logs what it sees.
//!
//! A request's header `x-script` and the plugin's configuration hold lines `event: step, step`, parted by `;`. At each
//! event the steps run in order, and each logs the status that the proxy gave. Contexts are logged as `#id`.

mod raw;
mod steps;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

use steps::Script;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|id| Box::new(Root { id, script: Script::default() }));
}}

/// One line of the log that is compared.
fn seen(id: u32, what: &str) {
    let _ = proxy_wasm::hostcalls::log(LogLevel::Info, &format!("ev #{id} {what}"));
}

struct Root {
    id: u32,
    script: Script,
}

struct Stream {
    id: u32,
    script: Script,
    body_begun: bool,
}

// === impl Root ===

impl Context for Root {
    fn on_http_call_response(&mut self, _token: u32, headers: usize, body: usize, _trailers: usize) {
        seen(self.id, &format!("call headers={headers} body={body}"));
        self.script.run(self.id, "call");
    }

    fn on_done(&mut self) -> bool {
        seen(self.id, "root_done");
        true
    }
}

impl RootContext for Root {
    fn on_vm_start(&mut self, _size: usize) -> bool {
        seen(self.id, "vm_start");
        true
    }

    fn on_configure(&mut self, _size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        self.script = Script::parse(&String::from_utf8_lossy(&text));
        seen(self.id, "configure");
        self.script.run(self.id, "configure");
        !self.script.has("refuse_configuration")
    }

    fn on_tick(&mut self) {
        // Not logged by itself: how many ticks come is a matter of time.
        self.script.run(self.id, "tick");
    }

    fn on_queue_ready(&mut self, _queue: u32) {
        seen(self.id, "queue_ready");
        self.script.run(self.id, "queue");
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { id, script: Script::default(), body_begun: false }))
    }
}

// === impl Stream ===

impl Stream {
    fn event(&mut self, name: &str, detail: String) -> Action {
        seen(self.id, &format!("{name}{detail}"));
        self.act(name)
    }

    fn act(&mut self, event: &str) -> Action {
        if self.script.run(self.id, event) { Action::Pause } else { Action::Continue }
    }
}

impl Context for Stream {
    fn on_http_call_response(&mut self, _token: u32, headers: usize, body: usize, _trailers: usize) {
        self.event("call", format!(" headers={headers} body={body}"));
    }

    fn on_done(&mut self) -> bool {
        self.event("done", String::new());
        steps::forget(self.id);
        true
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        self.script = Script::parse(&self.get_http_request_header("x-script").unwrap_or_default());
        self.event("request_headers", format!(" end={end}"))
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        let first = !std::mem::replace(&mut self.body_begun, true);
        let event = if first && self.script.has("first_request_body") { "first_request_body" } else { "request_body" };
        seen(self.id, &format!("request_body size={size} end={end}"));
        self.act(event)
    }

    fn on_http_request_trailers(&mut self, count: usize) -> Action {
        self.event("request_trailers", format!(" count={count}"))
    }

    fn on_http_response_headers(&mut self, _count: usize, end: bool) -> Action {
        self.event("response_headers", format!(" end={end}"))
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        self.event("response_body", format!(" size={size} end={end}"))
    }

    fn on_http_response_trailers(&mut self, count: usize) -> Action {
        self.event("response_trailers", format!(" count={count}"))
    }

    fn on_log(&mut self) {
        self.event("log", String::new());
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        seen(self.id, "delete");
    }
}
