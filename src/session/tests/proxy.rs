//! A proxy in memory, with virtual time: requests and responses pass through one VM, callback by
//! callback.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::redis::Redis;
use crate::dispatcher::Placement;
use crate::scheduling::request::RequestId;
use crate::scheduling::time::Instant;
use crate::session::headers::Headers;
use crate::session::host::{Buffer, Host, Map, Metric, MetricKind, Refused};
use crate::session::record::Facts;
use crate::session::{Exchange, Next, Root, Router};
use crate::shared::memory::Memory;
use crate::shared::store::{Contended, Store, Stored};

/// `NotFound` of the ABI.
const NOT_FOUND: Refused = Refused(1);

/// A stream as the proxy holds it.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub request: BTreeMap<String, String>,
    pub response: BTreeMap<String, String>,
    pub resumed: bool,
    /// Status and body of the proxy's own answer.
    pub reply: Option<(u16, Value)>,
    /// Envoy's response flags.
    pub flags: u64,
    body: Vec<u8>,
    chunk: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    memory: Memory,
    now: Instant,
    configuration: Vec<u8>,
    streams: BTreeMap<u32, Stream>,
    effective: u32,
    tick: Duration,
    metrics: Vec<(String, u64)>,
    /// Seeds that were drawn so far.
    seeds: u64,
    /// Store that callouts reach, if any.
    redis: Option<Redis>,
    /// Answers that are on their way, and the one that has come.
    answers: Vec<Vec<u8>>,
    answer: Vec<u8>,
}

/// Clones are one proxy.
#[derive(Clone, Default)]
pub(super) struct Proxy(Rc<RefCell<State>>);

/// One worker of a gateway.
pub(super) struct Gateway {
    pub proxy: Proxy,
    root: Root<Proxy>,
    contexts: RefCell<BTreeMap<u32, Exchange<Proxy>>>,
}

// === impl Proxy ===

impl Proxy {
    fn configured(self, configuration: &Value) -> Self {
        self.0.borrow_mut().configuration = configuration.to_string().into_bytes();
        self
    }

    fn on<R>(&self, call: impl FnOnce(&mut Stream) -> R) -> Result<R, Refused> {
        let mut state = self.0.borrow_mut();
        let effective = state.effective;
        state.streams.get_mut(&effective).map(call).ok_or(NOT_FOUND)
    }

    /// Lets the next answer to a callout come; returns its size.
    fn take_answer(&self) -> Option<usize> {
        let mut state = self.0.borrow_mut();
        state.answer = state.answers.pop()?;
        Some(state.answer.len())
    }

    fn map(stream: &mut Stream, map: Map) -> &mut BTreeMap<String, String> {
        if map == Map::Request { &mut stream.request } else { &mut stream.response }
    }
}

impl Store for Proxy {
    fn get(&self, key: &str) -> Stored {
        self.0.borrow().memory.get(key)
    }

    fn set(&self, key: &str, bytes: &[u8], version: u32) -> Result<(), Contended> {
        self.0.borrow().memory.set(key, bytes, version)
    }

    fn open_mailbox(&self, name: &str) -> Option<u32> {
        self.0.borrow().memory.open_mailbox(name)
    }

    fn send(&self, mailbox: u32) {
        self.0.borrow().memory.send(mailbox);
    }
}

impl Host for Proxy {
    fn now(&self) -> Instant {
        self.0.borrow().now
    }

    fn random_seed(&self) -> u64 {
        let mut state = self.0.borrow_mut();
        state.seeds += 1;
        state.seeds
    }

    fn set_tick_period(&self, period: Duration) {
        self.0.borrow_mut().tick = period;
    }

    fn call(&self, _: &str, headers: &[(&str, &str)], body: &[u8], _: Duration) -> Result<u32, Refused> {
        let mut state = self.0.borrow_mut();
        let path = headers.iter().find(|(name, _)| *name == ":path").map(|(_, path)| path.trim_start_matches('/'));
        let command = if body.is_empty() { path.unwrap() } else { str::from_utf8(body).unwrap() };
        let answer = state.redis.as_ref().ok_or(NOT_FOUND)?.answer(command);
        state.answers.push(answer);
        Ok(0)
    }

    fn buffer(&self, buffer: Buffer, start: usize, size: usize) -> Option<Vec<u8>> {
        let bytes = match buffer {
            Buffer::Configuration => self.0.borrow().configuration.clone(),
            Buffer::RequestBody => self.on(|stream| stream.body.clone()).ok()?,
            Buffer::ResponseBody => self.on(|stream| stream.chunk.clone()).ok()?,
            Buffer::CalloutAnswer => self.0.borrow().answer.clone(),
        };
        Some(bytes.get(start..)?.iter().take(size).copied().collect())
    }

    fn headers(&self, map: Map) -> Headers {
        if map == Map::CalloutAnswer {
            return Headers::decode(Headers::encode(&[(":status", "200"), ("content-type", "application/json")]));
        }
        let pairs = self.on(|stream| Self::map(stream, map).clone()).unwrap_or_default();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Headers::decode(Headers::encode(&pairs))
    }

    fn set_header(&self, map: Map, name: &str, value: &str) -> Result<(), Refused> {
        self.on(|stream| drop(Self::map(stream, map).insert(name.to_owned(), value.to_owned())))
    }

    fn remove_header(&self, map: Map, name: &str) -> Result<(), Refused> {
        self.on(|stream| drop(Self::map(stream, map).remove(name)))
    }

    fn property(&self, path: &str) -> Option<Vec<u8>> {
        let flags = |stream: &mut Stream| stream.flags.to_le_bytes().to_vec();
        (path == "response\0flags").then(|| self.on(flags).ok()).flatten()
    }

    fn take_message(&self, _: u32) -> bool {
        self.0.borrow().memory.take_message().is_some()
    }

    fn set_effective_context(&self, context: u32) -> Result<(), Refused> {
        let mut state = self.0.borrow_mut();
        if !state.streams.contains_key(&context) {
            return Err(NOT_FOUND);
        }
        state.effective = context;
        Ok(())
    }

    fn resume_request(&self) -> Result<(), Refused> {
        self.on(|stream| stream.resumed = true)
    }

    fn send_reply(&self, status: u16, _: &[(&str, &str)], body: &[u8], _: &str) -> Result<(), Refused> {
        self.on(|stream| stream.reply = Some((status, serde_json::from_slice(body).unwrap())))
    }

    fn define_metric(&self, _: MetricKind, name: &str) -> Metric {
        let mut state = self.0.borrow_mut();
        state.metrics.push((name.to_owned(), 0));
        Metric(u32::try_from(state.metrics.len() - 1).unwrap())
    }

    fn add(&self, Metric(counter): Metric, count: u32) {
        self.0.borrow_mut().metrics[counter as usize].1 += u64::from(count);
    }

    fn record(&self, Metric(metric): Metric, value: u64) {
        self.0.borrow_mut().metrics[metric as usize].1 = value;
    }
}

// === impl Gateway ===

impl Gateway {
    /// With a configuration, which has to be good.
    pub(super) fn new(configuration: &Value) -> Self {
        Self::of(Proxy::default().configured(configuration))
    }

    /// With a store that it reaches, and a number that tells its draws from other gateways'.
    pub(super) fn reaching(configuration: &Value, redis: &Redis, number: u64) -> Self {
        let proxy = Proxy::default();
        (proxy.0.borrow_mut().redis, proxy.0.borrow_mut().seeds) = (Some(redis.clone()), number << 32);
        Self::of(proxy.configured(configuration))
    }

    /// Returns another worker of the same gateway, with another configuration.
    pub(super) fn configured(&self, configuration: &Value) -> Self {
        Self::of(self.proxy.clone().configured(configuration))
    }

    /// Returns another worker of the same gateway.
    pub(super) fn worker(&self) -> Self {
        Self::of(self.proxy.clone())
    }

    fn of(proxy: Proxy) -> Self {
        let size = proxy.0.borrow().configuration.len();
        let root = Root::new(proxy.clone());
        assert!(root.configure(size));
        Self { proxy, root, contexts: RefCell::default() }
    }

    /// Sends a request, its body in one piece.
    pub(super) fn send(&self, id: u32, path: &str, headers: &[(&str, &str)], body: &Value) -> Next {
        let all = [(":method", "POST"), (":path", path), ("content-type", "application/json")];
        let request =
            all.iter().chain(headers).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let body = body.to_string().into_bytes();
        let size = body.len();
        let stream = Stream { request, body, ..Stream::default() };
        self.proxy.0.borrow_mut().streams.insert(id, stream);
        self.contexts.borrow_mut().insert(id, self.root.exchange(RequestId(id)));
        self.enter(id);
        let next = self.call(id, |router, id| router.on_request_headers(id, false));
        if next == Next::Go || self.stream(id, |stream| stream.reply.is_some()) {
            return next;
        }
        self.call(id, |router, id| router.on_request_body(id, size, true))
    }

    /// Answers a request with a document, and ends its stream.
    pub(super) fn answer(&self, id: u32, status: u16, document: &Value) {
        self.respond(id, status, &[("content-type", "application/json")], &document.to_string(), true);
        self.end(id);
    }

    /// Has a response's headers pass, and the first part of its body, which may be the last.
    pub(super) fn respond(&self, id: u32, status: u16, headers: &[(&str, &str)], part: &str, is_last: bool) {
        let status = status.to_string();
        let all = [(":status", status.as_str())];
        let response =
            all.iter().chain(headers).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let chunk = part.as_bytes().to_vec();
        self.enter(id);
        self.stream(id, |stream| (stream.response, stream.chunk) = (response, chunk));
        self.call(id, |router, id| router.on_response_headers(id, false));
        self.call(id, |router, id| router.on_response_body(id, part.len(), is_last));
    }

    /// Ends a stream, as it stands.
    pub(super) fn end(&self, id: u32) {
        self.enter(id);
        self.contexts.borrow_mut().remove(&id);
    }

    /// Returns how a request was placed that was sent to a pod.
    pub(super) fn placement(&self, id: u32) -> Placement {
        self.root.run(|router| router.placement(RequestId(id)).cloned()).flatten().unwrap()
    }

    /// Returns what was read of a request.
    pub(super) fn facts(&self, id: u32) -> Facts {
        self.root.run(|router| router.streams.get(RequestId(id)).unwrap().facts.clone()).flatten().unwrap()
    }

    /// Lets a tick pass.
    pub(super) fn tick(&self) {
        let period = self.proxy.0.borrow().tick;
        self.advance(period);
        self.root.run(|router| router.on_tick()).unwrap();
        while let Some(answer) = self.proxy.take_answer() {
            self.root.run(|router| router.on_callout_answer(0, true, answer)).unwrap();
        }
    }

    /// Lets time pass.
    pub(super) fn advance(&self, time: Duration) {
        let mut state = self.proxy.0.borrow_mut();
        state.now = state.now.after(time);
    }

    /// Looks at a stream.
    pub(super) fn stream<R>(&self, id: u32, look: impl FnOnce(&mut Stream) -> R) -> R {
        look(self.proxy.0.borrow_mut().streams.get_mut(&id).unwrap())
    }

    /// Value of the metric of this name.
    pub(super) fn metric(&self, name: &str) -> u64 {
        let state = self.proxy.0.borrow();
        state.metrics.iter().filter(|(known, _)| known == name).map(|(_, value)| value).sum()
    }

    fn call<R>(&self, id: u32, call: impl FnOnce(&mut Router<Proxy>, RequestId) -> R) -> R {
        self.contexts.borrow()[&id].run(call).unwrap()
    }

    fn enter(&self, id: u32) {
        self.proxy.0.borrow_mut().effective = id;
    }
}
