//! A request's life as a test sees it, from both ends: the client that sent it and the upstream that answers.

use crate::Headers;
use crate::abi::{Direction, flags};
use crate::agenda::StreamKey;
use crate::upstream::UpstreamEvent;
use crate::vm::{StreamState, Vm};
use crate::world::{Inner, World};

/// A request to be sent.
#[must_use]
pub struct RequestBuilder {
    world: World,
    worker: usize,
    headers: Headers,
    pieces: Vec<Vec<u8>>,
    open: bool,
}

/// A request that was sent. Handles are cheap to clone and name the same stream.
#[derive(Clone)]
pub struct Stream {
    world: World,
    key: StreamKey,
}

/// What the client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code; 0 if the headers had none.
    pub status: u16,
    /// The headers, `:status` included.
    pub headers: Headers,
    /// The body so far.
    pub body: Vec<u8>,
    /// The trailers, if any came.
    pub trailers: Option<Headers>,
    /// Whether it came to its proper end.
    pub complete: bool,
}

/// A response that the filter or the proxy made itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// The status code.
    pub status: u16,
    /// Headers beside status, length and type.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    pub(crate) flags: u64,
}

// === impl RequestBuilder ===

impl RequestBuilder {
    pub(crate) fn new(world: World, worker: usize) -> Self {
        let headers =
            Headers::from([(":authority", "gateway"), (":path", "/"), (":method", "GET"), (":scheme", "http")]);
        Self { world, worker, headers, pieces: Vec::new(), open: false }
    }

    /// Sets the method and path.
    pub fn to(mut self, method: &str, path: &str) -> Self {
        self.headers.set(":method", method);
        self.headers.set(":path", path);
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.add(name, value);
        self
    }

    /// A body in one piece, with its length. As with HTTP/1, its end comes in a frame of its own.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        self.chunks([body.into()])
    }

    /// A body in several pieces, with its length.
    pub fn chunks(mut self, pieces: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.pieces = pieces.into_iter().collect();
        let length: usize = self.pieces.iter().map(Vec::len).sum();
        self.headers.set("content-length", &length.to_string());
        if self.headers.get(":method") == Some("GET") {
            self.headers.set(":method", "POST");
        }
        self
    }

    /// The body does not end yet; [`Stream::send`] brings the rest.
    pub fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// Sends it.
    pub fn send(self) -> Stream {
        let mut inner = self.world.inner.borrow_mut();
        let idle_timeout = inner.process.borrow().timing.idle_timeout;
        let key = inner.new_stream(self.worker, idle_timeout);
        let vm = &mut inner.vms[key.vm];
        let bare = self.pieces.is_empty() && !self.open;
        vm.on_headers(key.context, Direction::Request, self.headers, bare);
        for piece in self.pieces {
            vm.on_body(key.context, Direction::Request, piece, false);
        }
        if !bare && !self.open {
            vm.on_body(key.context, Direction::Request, Vec::new(), true);
        }
        vm.end_turn();
        drop(inner);
        Stream { world: self.world, key }
    }
}

// === impl Stream ===

impl Stream {
    fn act(&self, action: impl FnOnce(&mut Vm, u32)) -> &Self {
        let mut inner = self.world.inner.borrow_mut();
        let vm = &mut inner.vms[self.key.vm];
        action(vm, self.key.context);
        vm.end_turn();
        drop(inner);
        self
    }

    fn look<T>(&self, look: impl FnOnce(&mut StreamState) -> T) -> T {
        let mut inner = self.world.inner.borrow_mut();
        let state = inner.vms[self.key.vm].state();
        look(state.stream_or_past(self.key.context))
    }

    /// The stream's context id in its VM.
    pub fn context(&self) -> u32 {
        self.key.context
    }

    /// Whether the filter holds the request: it neither went on nor ended.
    pub fn is_paused(&self) -> bool {
        self.look(|stream| stream.request.sent.headers.is_none() && !stream.ended)
    }

    /// Whether the stream is over.
    pub fn is_ended(&self) -> bool {
        self.look(|stream| stream.ended)
    }

    /// The headers that went upstream, as they were at that moment.
    pub fn upstream_headers(&self) -> Option<Headers> {
        self.look(|stream| stream.request.sent.headers.clone())
    }

    /// The body that went upstream so far.
    pub fn upstream_body(&self) -> Vec<u8> {
        self.look(|stream| stream.request.sent.body.clone())
    }

    /// Whether the request went upstream whole.
    pub fn upstream_complete(&self) -> bool {
        self.look(|stream| stream.request.sent.ended)
    }

    /// Whether the proxy broke off a request that had gone upstream, before the answer's end.
    pub fn upstream_cancelled(&self) -> bool {
        self.look(|stream| stream.ended && stream.request.sent.headers.is_some() && !stream.response.ended)
    }

    /// What the client got so far; none before the headers.
    pub fn response(&self) -> Option<Response> {
        self.look(|stream| {
            let sent = stream.response.sent.clone();
            let headers = sent.headers?;
            let status = headers.get(":status").and_then(|status| status.parse().ok()).unwrap_or(0);
            Some(Response { status, headers, body: sent.body, trailers: sent.trailers, complete: sent.ended })
        })
    }

    /// The response that the filter or the proxy made itself, if one did.
    pub fn local_reply(&self) -> Option<LocalReply> {
        self.look(|stream| stream.local_reply.clone())
    }

    /// The client sends another piece of its body.
    pub fn send(&self, piece: impl Into<Vec<u8>>) -> &Self {
        self.act(|vm, context| vm.on_body(context, Direction::Request, piece.into(), false))
    }

    /// The client sends the last piece of its body.
    pub fn send_last(&self, piece: impl Into<Vec<u8>>) -> &Self {
        self.act(|vm, context| vm.on_body(context, Direction::Request, piece.into(), true))
    }

    /// The client ends its body with trailers.
    pub fn send_trailers(&self, trailers: impl Into<Headers>) -> &Self {
        self.act(|vm, context| vm.on_trailers(context, Direction::Request, trailers.into()))
    }

    /// The client goes away.
    pub fn client_reset(&self) -> &Self {
        self.act(Vm::reset_by_client)
    }

    /// The upstream sends response headers; a body follows.
    pub fn respond(&self, status: u16, headers: impl Into<Headers>) -> &Self {
        self.upstream(UpstreamEvent::Headers(with_status(status, headers.into()), false))
    }

    /// The upstream sends a response of headers alone.
    pub fn respond_without_body(&self, status: u16, headers: impl Into<Headers>) -> &Self {
        self.upstream(UpstreamEvent::Headers(with_status(status, headers.into()), true))
    }

    /// The upstream sends a piece of body.
    pub fn chunk(&self, piece: impl Into<Vec<u8>>) -> &Self {
        self.upstream(UpstreamEvent::Body(piece.into(), false))
    }

    /// The upstream ends its response in an empty frame.
    pub fn end(&self) -> &Self {
        self.upstream(UpstreamEvent::Body(Vec::new(), true))
    }

    /// The upstream sends its last piece of body.
    pub fn body(&self, piece: impl Into<Vec<u8>>) -> &Self {
        self.upstream(UpstreamEvent::Body(piece.into(), true))
    }

    /// The upstream ends its response with trailers.
    pub fn trailers(&self, trailers: impl Into<Headers>) -> &Self {
        self.upstream(UpstreamEvent::Trailers(trailers.into()))
    }

    /// The upstream connection breaks.
    pub fn upstream_reset(&self) -> &Self {
        self.upstream(UpstreamEvent::Reset)
    }

    fn upstream(&self, event: UpstreamEvent) -> &Self {
        self.act(|vm, context| Inner::upstream(vm, context, event))
    }
}

fn with_status(status: u16, headers: Headers) -> Headers {
    let status = [(":status".to_owned(), status.to_string())];
    let rest = headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>();
    status.into_iter().chain(rest).collect()
}

// === impl LocalReply ===

impl LocalReply {
    pub(crate) const UPSTREAM_RESET: &str =
        "upstream connect error or disconnect/reset before headers. reset reason: connection termination";

    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Headers::default(), body: body.into(), flags: 0 }
    }

    fn flagged(status: u16, body: &str, flags: u64) -> Self {
        Self { flags, ..Self::new(status, body) }
    }

    pub(crate) fn no_healthy_upstream() -> Self {
        Self::flagged(503, "no healthy upstream", flags::NO_HEALTHY_UPSTREAM)
    }

    pub(crate) fn upstream_reset() -> Self {
        Self::flagged(503, Self::UPSTREAM_RESET, flags::UPSTREAM_CONNECTION_TERMINATION)
    }

    pub(crate) fn idle_timeout() -> Self {
        Self::flagged(504, "stream timeout", flags::STREAM_IDLE_TIMEOUT)
    }

    pub(crate) fn payload_too_large() -> Self {
        Self::new(413, "Payload Too Large")
    }

    /// The headers as Envoy completes them.
    pub(crate) fn all_headers(&self) -> Headers {
        let mut headers = with_status(self.status, self.headers.clone());
        if !self.body.is_empty() {
            headers.set("content-length", &self.body.len().to_string());
            if headers.get("content-type").is_none() {
                headers.set("content-type", "text/plain");
            }
        }
        headers
    }
}
