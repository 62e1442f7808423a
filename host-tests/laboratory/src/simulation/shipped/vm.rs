//! The filter in one of Envoy's workers: calls its contexts as Envoy does.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use slo_router::scheduling::load::Load;
use slo_router::scheduling::request::RequestId;
use slo_router::scheduling::slo::Outcome;
use slo_router::session::headers::Headers;
use slo_router::session::{Exchange, Next, Root};

use super::exchange;
use super::host::{Decision, Stream, WorkerHost};
use super::process::Process;
use crate::simulation::gateway::RequestNumber;
use crate::simulation::scenario::Demand;

/// See the module.
pub(super) struct Vm {
    host: WorkerHost,
    root: Root<WorkerHost>,
    open: HashMap<RequestNumber, Open>,
}

/// A request that has not ended.
struct Open {
    context: Exchange<WorkerHost>,
    streamed: bool,
    /// `true` once its response's headers have come.
    responds: bool,
}

// === impl Vm ===

impl Vm {
    pub(super) fn new(process: &Rc<Process>, worker: usize, seed: u64, configuration: &str) -> Self {
        let host = WorkerHost::new(Rc::clone(process), worker, seed, configuration.as_bytes().to_vec());
        let root = Root::new(host.clone());
        assert!(root.configure(configuration.len()), "the filter refuses {configuration}");
        Self { host, root, open: HashMap::new() }
    }

    /// A request came, its body in one piece.
    pub(super) fn arrive(&mut self, id: RequestNumber, demand: &Demand, body: String, true_output_tokens: Option<u32>) {
        let size = body.len();
        self.host.open(id, Stream::new(request(demand), body.into_bytes(), true_output_tokens));
        let context = self.root.exchange(RequestId(id));
        let mut next = context.run(|router, id| router.on_request_headers(id, false));
        if next == Some(Next::Wait) {
            next = context.run(|router, id| router.on_request_body(id, size, true));
        }
        if next == Some(Next::Go) {
            self.host.decide(Decision::Forward(id));
        }
        self.open.insert(id, Open { context, streamed: demand.answering.streamed, responds: false });
    }

    /// Returns the pod that a request goes to, and the load that it puts on it.
    pub(super) fn forward(&self, id: RequestNumber) -> (String, Load) {
        let load = self.root.run(|router| router.placement(RequestId(id)).map(|placement| placement.load));
        (self.host.forward(id), load.flatten().unwrap_or_default())
    }

    /// Returns the tokens of its prompt that the pod of a request is expected to have cached.
    pub(super) fn expected_cached_tokens(&self, id: RequestNumber) -> Option<u32> {
        self.root.run(|router| Some(router.placement(RequestId(id))?.expected_cache.expected_tokens)).flatten()
    }

    /// Passes the filter's own answer through it.
    pub(super) fn refuse(&mut self, id: RequestNumber) {
        if let Some(Open { context, .. }) = self.open.remove(&id) {
            self.host.enter(id);
            context.run(|router, id| router.on_response_headers(id, true));
            self.end(id, context);
        }
    }

    /// A token of a streamed answer came.
    pub(super) fn token(&mut self, id: RequestNumber) {
        self.pass(id, Cow::Borrowed(exchange::TOKEN.as_bytes()), false);
    }

    /// An answer came to its end.
    pub(super) fn finish(&mut self, id: RequestNumber, outcome: &Outcome) {
        let Some(Open { streamed, .. }) = self.open.get(&id) else { return };
        self.pass(id, Cow::Owned(exchange::end(outcome, *streamed).into_bytes()), true);
        if let Some(Open { context, .. }) = self.open.remove(&id) {
            self.end(id, context);
        }
    }

    pub(super) fn message(&self, mailbox: u32) {
        self.root.run(|router| router.on_message(mailbox));
    }

    /// Fires a timer, unless it was set anew since.
    pub(super) fn tick(&self, timer: u64) {
        if timer == self.host.timer() {
            self.root.run(|router| router.on_tick());
            self.host.rearm();
        }
    }

    pub(super) fn take_decisions(&self) -> Vec<Decision> {
        self.host.take_decisions()
    }

    pub(super) fn open_streams(&self) -> usize {
        self.host.open_streams()
    }

    /// Has a part of a response's body pass, and its headers before the first.
    fn pass(&mut self, id: RequestNumber, chunk: Cow<'static, [u8]>, is_last: bool) {
        let Some(Open { context, streamed, responds }) = self.open.get_mut(&id) else { return };
        self.host.enter(id);
        if !std::mem::replace(responds, true) {
            self.host.respond(&[(":status", "200"), ("content-type", exchange::content_type(*streamed))]);
            context.run(|router, id| router.on_response_headers(id, false));
        }
        let size = chunk.len();
        self.host.pass(chunk);
        context.run(|router, id| router.on_response_body(id, size, is_last));
    }

    /// A stream ends with its context.
    fn end(&self, id: RequestNumber, context: Exchange<WorkerHost>) {
        drop(context);
        self.host.close(id);
    }
}

/// Returns the headers of a request.
fn request(demand: &Demand) -> Headers {
    let headers: Vec<(&str, String)> = exchange::headers(demand).collect();
    let line = [(":method", "POST"), (":path", exchange::PATH)];
    let pairs = line.into_iter().chain(headers.iter().map(|(name, value)| (*name, value.as_str())));
    Headers::decode(Headers::encode(&pairs.collect::<Vec<_>>()))
}
