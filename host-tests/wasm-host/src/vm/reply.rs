//! Path of frames after the filter: to the router, to the client; local replies; and how a stream
//! ends.

use super::Vm;
use crate::abi::{Direction, flags};
use crate::agenda::{StreamKey, Task};
use crate::event::What;
use crate::half::Sent;
use crate::local_reply::LocalReply;
use crate::upstream::{Forwarded, Route, Router};

// === impl Vm ===

impl Vm {
    pub(super) fn send_headers(&mut self, context: u32, direction: Direction, last: bool) {
        self.touch(context);
        let Some(stream) = self.state().stream(context) else { return };
        let half = stream.half(direction);
        half.sent.headers = Some(half.headers.clone());
        half.sent.ended |= last;
        match direction {
            Direction::Request => self.route(context),
            Direction::Response => {
                stream.code = stream.response.headers.get(":status").and_then(|code| code.parse().ok());
                if last {
                    self.end_stream(context);
                }
            }
        }
    }

    pub(super) fn send_body(&mut self, context: u32, direction: Direction, piece: Vec<u8>, last: bool) {
        self.touch(context);
        let Some(stream) = self.state().stream(context) else { return };
        let half = stream.half(direction);
        half.sent.body.extend(piece);
        half.sent.ended |= last;
        if last && direction == Direction::Response {
            self.end_stream(context);
        }
    }

    pub(super) fn send_trailers(&mut self, context: u32, direction: Direction) {
        let Some(stream) = self.state().stream(context) else { return };
        let half = stream.half(direction);
        half.sent.trailers.clone_from(&half.trailers);
        half.sent.ended = true;
        if direction == Direction::Response {
            self.end_stream(context);
        }
    }

    /// The router gets the request's headers.
    fn route(&mut self, context: u32) {
        let state = self.state();
        state.record(context, What::Forwarded);
        let (vm, thread, process) = (state.number, state.thread, state.process.clone());
        let Some(stream) = state.stream(context) else { return };
        // Taken out while it runs: it is part of what it is called from.
        let mut router: Router = std::mem::replace(&mut process.borrow_mut().router, Box::new(|_| Route::Manual));
        let body = stream.request.buffered.as_deref().unwrap_or_default();
        let at = process.borrow().now;
        let route = router(&Forwarded { thread, at, headers: &stream.request.headers, body });
        process.borrow_mut().router = router;
        match route {
            Route::Manual => {}
            Route::NoHealthyUpstream => self.send_local_reply(context, LocalReply::no_healthy_upstream()),
            Route::Script(events) => {
                for (after, event) in events {
                    let task = Task::Upstream { stream: StreamKey { vm, context }, event };
                    process.borrow_mut().after(after, thread, task);
                }
            }
        }
    }

    /// `sendLocalReply`: through the filter if no response has begun, which then sees its own reply; waits while a decode
    /// callback of this stream is on the stack. If a response is held in the filter, past it; if its headers are with the
    /// client, all that can be done is to cut the stream.
    pub(super) fn send_local_reply(&mut self, context: u32, reply: LocalReply) {
        let Some(stream) = self.state().stream(context) else { return };
        if stream.ended || stream.local_reply.is_some() {
            return;
        }
        if stream.response.begun {
            self.send_direct_reply(context, &reply);
            return;
        }
        stream.aborted = true;
        stream.flags |= reply.flags;
        stream.local_reply = Some(reply.clone());
        if stream.in_decode {
            stream.prepared = Some(reply);
        } else {
            self.encode_local_reply(context, reply);
        }
    }

    pub(super) fn encode_local_reply(&mut self, context: u32, reply: LocalReply) {
        let bare = reply.body.is_empty();
        self.on_headers(context, Direction::Response, reply.all_headers(), bare);
        if !bare {
            self.on_body(context, Direction::Response, reply.body, true);
        }
    }

    /// The VM is dead and the stream needs it: 503, past the filter; or a cut, if a response has begun.
    pub(super) fn fail_stream(&mut self, context: u32) {
        let Some(stream) = self.state().stream(context) else { return };
        if stream.failed || stream.ended {
            return;
        }
        stream.failed = true;
        stream.prepared = None;
        self.send_direct_reply(context, &LocalReply::new(503, ""));
    }

    /// A reply past the filter, or a cut if the client has headers already.
    fn send_direct_reply(&mut self, context: u32, reply: &LocalReply) {
        let Some(stream) = self.state().stream(context) else { return };
        stream.aborted = true;
        let sent = &mut stream.response.sent;
        if sent.headers.is_none() {
            *sent = Sent { headers: Some(reply.all_headers()), body: reply.body.clone(), trailers: None, ended: true };
            stream.code = Some(reply.status);
            stream.local_reply = Some(reply.clone());
        }
        self.end_stream(context);
    }

    /// The stream is over: `on_log`, `on_done`, `on_delete`, in Envoy's order.
    pub(super) fn end_stream(&mut self, context: u32) {
        let Some(stream) = self.state().stream(context) else { return };
        if stream.ended {
            return;
        }
        stream.ended = true;
        stream.in_log = true;
        let (root, code) = (stream.root, stream.code);
        self.state().record(context, What::Ended(code));
        self.enter(context, "proxy_on_log", &[context]);
        if let Some(stream) = self.state().stream(context) {
            stream.in_log = false;
        }
        self.enter(context, "proxy_on_done", &[context]);
        self.enter(context, "proxy_on_delete", &[context]);
        self.deleted.push(context);
        self.stream_left(root);
    }

    /// The client goes away.
    pub(crate) fn reset_by_client(&mut self, context: u32) {
        let Some(stream) = self.state().stream(context) else { return };
        stream.flags |= flags::DOWNSTREAM_CONNECTION_TERMINATION;
        self.end_stream(context);
    }

    /// The upstream connection breaks.
    pub(crate) fn reset_by_upstream(&mut self, context: u32) {
        let Some(stream) = self.state().stream(context) else { return };
        if stream.response.begun {
            stream.flags |= flags::UPSTREAM_CONNECTION_TERMINATION;
        }
        self.send_local_reply(context, LocalReply::upstream_reset());
    }

    /// Nothing moved for `stream_idle_timeout`. With a dead VM the 504 ends as a 503 at the filter.
    pub(crate) fn idle_timeout(&mut self, context: u32, activity: u64) {
        let dead = self.failure().is_some();
        let Some(stream) = self.state().stream(context) else { return };
        if stream.activity != activity || stream.ended {
            return;
        }
        stream.flags |= flags::STREAM_IDLE_TIMEOUT;
        if dead {
            self.fail_stream(context);
        } else {
            self.send_local_reply(context, LocalReply::idle_timeout());
        }
    }
}
