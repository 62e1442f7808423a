//! A stream as a test sees it, from both ends: the client that sent it and the upstream that answers.

use crate::Headers;
use crate::abi::Direction;
use crate::agenda::StreamKey;
use crate::local_reply::LocalReply;
use crate::upstream::UpstreamEvent;
use crate::vm::{StreamState, Vm};
use crate::world::{Inner, World};

/// A request that was sent. Handles are cheap to clone and name the same stream.
#[derive(Clone)]
pub struct Stream {
    pub(crate) world: World,
    pub(crate) key: StreamKey,
}

/// Response that the client got.
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
    /// `true` if it came to its proper end.
    pub complete: bool,
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

    /// Returns `true` if the filter holds the request: it neither went on nor ended.
    pub fn is_paused(&self) -> bool {
        self.look(|stream| stream.request.sent.headers.is_none() && !stream.ended)
    }

    /// Returns `true` if the stream is over.
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

    /// Returns `true` if the request went upstream whole.
    pub fn upstream_complete(&self) -> bool {
        self.look(|stream| stream.request.sent.ended)
    }

    /// Returns `true` if the proxy broke off a request that had gone upstream, before the answer's
    /// end.
    pub fn upstream_cancelled(&self) -> bool {
        self.look(|stream| stream.ended && stream.request.sent.headers.is_some() && !stream.response.ended)
    }

    /// Returns what the client got so far; `None` before the headers.
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
        self.upstream(UpstreamEvent::Headers(headers.into().with_status(status), false))
    }

    /// The upstream sends a response of headers alone.
    pub fn respond_without_body(&self, status: u16, headers: impl Into<Headers>) -> &Self {
        self.upstream(UpstreamEvent::Headers(headers.into().with_status(status), true))
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
