//! The host of one worker's filter: the streams that pass through it, in virtual time.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use slo_router::dispatcher::RefusalReason;
use slo_router::protocol::headers::REASON;
use slo_router::scheduling::time::Instant;
use slo_router::session::Host;
use slo_router::session::headers::Headers;
use slo_router::session::host::{Buffer, Map, Metric, MetricKind, Refused};
use slo_router::shared::store::{Contended, Store, Stored};

use super::exchange;
use super::process::Process;
use crate::simulation::gateway::RequestNumber;

/// `NotFound` of the ABI.
const NOT_FOUND: Refused = Refused(1);

/// Header by which the filter names pods, as it is by default.
const DESTINATION: &str = "x-gateway-destination-endpoint";

/// A request that has not ended, as the proxy holds it.
#[derive(Debug)]
pub(super) struct Stream {
    request: Headers,
    /// The body, until the request goes on.
    body: Vec<u8>,
    response: Headers,
    /// The pod that the filter names.
    destination: String,
    true_output_tokens: Option<u32>,
}

/// Decision of the filter on a request that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It goes on.
    Forward(RequestNumber),
    /// The filter answered it.
    Refuse(RequestNumber, RefusalReason),
}

/// See the module. Clones are one worker.
#[derive(Clone, Debug)]
pub(super) struct WorkerHost(Rc<State>);

#[derive(Debug)]
struct State {
    process: Rc<Process>,
    worker: usize,
    seed: u64,
    configuration: Vec<u8>,
    streams: RefCell<HashMap<RequestNumber, Stream>>,
    effective: Cell<RequestNumber>,
    /// The part of a response's body that passes, of the effective stream.
    chunk: RefCell<Cow<'static, [u8]>>,
    period: Cell<Duration>,
    /// Number of times that the timer was set.
    timer: Cell<u64>,
    decisions: RefCell<Vec<Decision>>,
}

// === impl Stream ===

impl Stream {
    /// Returns a request that comes.
    pub(super) fn new(request: Headers, body: Vec<u8>, true_output_tokens: Option<u32>) -> Self {
        Self { request, body, response: Headers::default(), destination: String::new(), true_output_tokens }
    }
}

// === impl WorkerHost ===

impl WorkerHost {
    pub(super) fn new(process: Rc<Process>, worker: usize, seed: u64, configuration: Vec<u8>) -> Self {
        Self(Rc::new(State {
            process,
            worker,
            seed,
            configuration,
            streams: RefCell::default(),
            effective: Cell::default(),
            chunk: RefCell::default(),
            period: Cell::default(),
            timer: Cell::default(),
            decisions: RefCell::default(),
        }))
    }

    /// Adds a stream, in whose context callbacks run from now on.
    pub(super) fn open(&self, id: RequestNumber, stream: Stream) {
        self.0.streams.borrow_mut().insert(id, stream);
        self.0.effective.set(id);
    }

    /// Has callbacks run in the context of a stream from now on.
    pub(super) fn enter(&self, id: RequestNumber) {
        self.0.effective.set(id);
    }

    /// A part of a response's body passes, in the context of its stream.
    pub(super) fn pass(&self, chunk: Cow<'static, [u8]>) {
        self.0.chunk.replace(chunk);
    }

    /// Returns the pod that a request goes to, of which only the response is yet to come.
    pub(super) fn forward(&self, id: RequestNumber) -> String {
        let mut streams = self.0.streams.borrow_mut();
        let stream = streams.get_mut(&id).expect("what is forwarded is open");
        (stream.request, stream.body) = (Headers::default(), Vec::new());
        std::mem::take(&mut stream.destination)
    }

    /// The headers of a response came, in the context of its stream.
    pub(super) fn respond(&self, headers: &[(&str, &str)]) {
        let _ = self.on(|stream| stream.response = Headers::decode(Headers::encode(headers)));
    }

    /// Removes a stream.
    pub(super) fn close(&self, id: RequestNumber) {
        self.0.streams.borrow_mut().remove(&id);
    }

    /// Returns the number of streams that have not ended.
    pub(super) fn open_streams(&self) -> usize {
        self.0.streams.borrow().len()
    }

    pub(super) fn decide(&self, decision: Decision) {
        self.0.decisions.borrow_mut().push(decision);
    }

    /// Returns what was decided since the last call.
    pub(super) fn take_decisions(&self) -> Vec<Decision> {
        self.0.decisions.take()
    }

    /// Number of the timer that holds.
    pub(super) fn timer(&self) -> u64 {
        self.0.timer.get()
    }

    /// Sets the timer anew, after it has fired.
    pub(super) fn rearm(&self) {
        self.0.timer.set(self.0.timer.get() + 1);
        self.0.process.set_timer(self.0.worker, self.0.timer.get(), self.0.period.get());
    }

    fn on<R>(&self, call: impl FnOnce(&mut Stream) -> R) -> Result<R, Refused> {
        self.0.streams.borrow_mut().get_mut(&self.0.effective.get()).map(call).ok_or(NOT_FOUND)
    }
}

impl Store for WorkerHost {
    fn get(&self, key: &str) -> Stored {
        self.0.process.memory.get(key)
    }

    fn set(&self, key: &str, bytes: &[u8], version: u32) -> Result<(), Contended> {
        self.0.process.memory.set(key, bytes, version)
    }

    fn open_mailbox(&self, name: &str) -> Option<u32> {
        self.0.process.open_mailbox(name, self.0.worker)
    }

    fn send(&self, mailbox: u32) {
        self.0.process.send(mailbox);
    }
}

impl Host for WorkerHost {
    fn now(&self) -> Instant {
        self.0.process.now.get()
    }

    fn random_seed(&self) -> u64 {
        self.0.seed
    }

    fn set_tick_period(&self, period: Duration) {
        self.0.period.set(period);
        self.rearm();
    }

    fn call(&self, _: &str, _: &[(&str, &str)], _: &[u8], _: Duration) -> Result<u32, Refused> {
        // There is nobody to call.
        Err(NOT_FOUND)
    }

    fn buffer(&self, buffer: Buffer, start: usize, size: usize) -> Option<Vec<u8>> {
        let part = |bytes: &[u8]| Some(bytes.get(start..)?.get(..size.min(bytes.len() - start))?.to_vec());
        match buffer {
            Buffer::Configuration => part(&self.0.configuration),
            Buffer::RequestBody => self.on(|stream| part(&stream.body)).ok()?,
            Buffer::ResponseBody => part(&self.0.chunk.borrow()),
            Buffer::CalloutAnswer => None,
        }
    }

    fn headers(&self, map: Map) -> Headers {
        let headers = self.on(|stream| match map {
            Map::Request => stream.request.clone(),
            Map::Response => stream.response.clone(),
            Map::CalloutAnswer => Headers::default(),
        });
        headers.unwrap_or_default()
    }

    fn set_header(&self, map: Map, name: &str, value: &str) -> Result<(), Refused> {
        self.on(|stream| {
            // What clients are told is for nobody here.
            if map == Map::Request && name == DESTINATION {
                value.clone_into(&mut stream.destination);
            }
        })
    }

    fn remove_header(&self, _: Map, _: &str) -> Result<(), Refused> {
        // Requests bring no header that the filter takes away.
        self.on(|_| ())
    }

    fn property(&self, _: &str) -> Option<Vec<u8>> {
        None
    }

    fn take_message(&self, mailbox: u32) -> bool {
        self.0.process.take_message(mailbox)
    }

    fn set_effective_context(&self, context: u32) -> Result<(), Refused> {
        if !self.0.streams.borrow().contains_key(&context) {
            return Err(NOT_FOUND);
        }
        self.0.effective.set(context);
        Ok(())
    }

    fn resume_request(&self) -> Result<(), Refused> {
        self.decide(Decision::Forward(self.0.effective.get()));
        Ok(())
    }

    fn send_reply(&self, status: u16, headers: &[(&str, &str)], _: &[u8], _: &str) -> Result<(), Refused> {
        let code = headers.iter().find(|(name, _)| *name == REASON).map(|(_, code)| *code);
        let reason = code.and_then(exchange::refusal);
        let reason = reason.unwrap_or_else(|| panic!("the filter answers {status} for {code:?}"));
        self.decide(Decision::Refuse(self.0.effective.get(), reason));
        self.respond(&[(":status", &status.to_string())]);
        Ok(())
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Metric {
        match kind {
            MetricKind::Gauge => self.0.process.gauge(name),
            MetricKind::Counter | MetricKind::Histogram => Process::unread_metric(),
        }
    }

    fn add(&self, _: Metric, _: u32) {}

    fn record(&self, metric: Metric, value: u64) {
        self.0.process.record(metric, value);
    }

    fn true_output_tokens(&self) -> Option<u32> {
        self.on(|stream| stream.true_output_tokens).ok().flatten()
    }
}
