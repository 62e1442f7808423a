//! The filter chain around the guest: frames come in, are announced, held or sent on. The names in the comments are
//! those of Envoy's filter manager, whose rules these are.

use std::time::Duration;

use super::Vm;
use crate::Headers;
use crate::abi::Direction;
use crate::half::Iteration;
use crate::local_reply::LocalReply;

/// Verdict of the filter on a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Continue,
    Pause,
    /// Ignore the return value: a local reply is on its way, or the VM is dead.
    Stop,
}

/// A frame as announced to the guest.
enum Frame {
    Headers { count: usize, last: bool },
    Body { size: usize, last: bool },
    Trailers { count: usize },
}

// === impl Vm ===

impl Vm {
    /// Headers come in.
    pub(crate) fn on_headers(&mut self, context: u32, direction: Direction, headers: Headers, last: bool) {
        let Some(half) = self.open_half(context, direction) else { return };
        let count = headers.len();
        half.headers = headers;
        (half.begun, half.ended, half.headers_visible) = (true, last, true);
        let verdict = self.announce(context, direction, Frame::Headers { count, last });
        let single = self.state().plugin_of(context).is_some_and(|plugin| plugin.allow_on_headers_stop_iteration);
        let Some(half) = self.open_half(context, direction) else { return };
        match verdict {
            Verdict::Continue => {
                half.headers_visible = false;
                if !half.headers_continued {
                    half.headers_continued = true;
                    self.send_headers(context, direction, last);
                }
            }
            Verdict::Pause if single => half.iteration = Iteration::Stopped,
            Verdict::Pause | Verdict::Stop => half.iteration = Iteration::StoppedAll,
        }
    }

    /// A piece of body comes in.
    pub(crate) fn on_body(&mut self, context: u32, direction: Direction, piece: Vec<u8>, last: bool) {
        let Some(half) = self.open_half(context, direction) else { return };
        half.ended |= last;
        if half.iteration == Iteration::StoppedAll {
            half.buffer(piece);
        } else {
            self.announce_body(context, direction, piece, last);
        }
    }

    /// Trailers come in.
    pub(crate) fn on_trailers(&mut self, context: u32, direction: Direction, trailers: Headers) {
        let Some(half) = self.open_half(context, direction) else { return };
        half.ended = true;
        half.trailers = Some(trailers);
        if half.iteration != Iteration::StoppedAll {
            self.announce_trailers(context, direction);
        }
    }

    fn announce_body(&mut self, context: u32, direction: Direction, piece: Vec<u8>, last: bool) {
        let limit = self.state().process.borrow().timing.body_limit;
        let Some(half) = self.open_half(context, direction) else { return };
        let size = if half.buffering {
            half.buffer(piece);
            half.chunk = Some(Vec::new());
            half.buffered.as_ref().map_or(0, Vec::len)
        } else {
            let size = piece.len();
            half.chunk = Some(piece);
            size
        };
        if direction == Direction::Request && half.buffering && size > limit {
            // Found while decoding, so the guest is told of the body all the same before the reply goes out.
            if let Some(stream) = self.state().stream(context) {
                stream.in_decode = true;
            }
            self.send_local_reply(context, LocalReply::payload_too_large());
        }
        let verdict = self.announce(context, direction, Frame::Body { size, last });
        let Some(half) = self.open_half(context, direction) else { return };
        half.buffering = false;
        let piece = half.chunk.take().unwrap_or_default();
        match verdict {
            Verdict::Continue if half.iteration == Iteration::Stopped => {
                half.buffer(piece);
                self.continue_iteration(context, direction);
            }
            Verdict::Continue => {
                let last = last && half.trailers.is_none();
                // After a resume amid the body, the piece was announced out of the buffer.
                let mut body = half.buffered.take().unwrap_or_default();
                body.extend(piece);
                self.send_body(context, direction, body, last);
            }
            Verdict::Pause => {
                half.iteration = Iteration::Stopped;
                half.buffering = true;
                half.buffer(piece);
                let size = half.buffered.as_ref().map_or(0, Vec::len);
                if direction == Direction::Request && size > limit {
                    self.send_local_reply(context, LocalReply::payload_too_large());
                }
            }
            Verdict::Stop => half.iteration = Iteration::Stopped,
        }
    }

    fn announce_trailers(&mut self, context: u32, direction: Direction) {
        let Some(half) = self.open_half(context, direction) else { return };
        half.trailers_visible = true;
        let count = half.trailers.as_ref().map_or(0, Headers::len);
        let verdict = self.announce(context, direction, Frame::Trailers { count });
        let Some(half) = self.open_half(context, direction) else { return };
        match verdict {
            Verdict::Continue => {
                half.trailers_visible = false;
                if half.is_stopped() {
                    self.continue_iteration(context, direction);
                } else {
                    self.send_trailers(context, direction);
                }
            }
            Verdict::Pause | Verdict::Stop if half.is_stopped() => {}
            Verdict::Pause | Verdict::Stop => half.iteration = Iteration::Stopped,
        }
    }

    /// `commonContinue`: sends on what was held. After `StoppedAll` the filter is shown the body that it has not seen.
    pub(crate) fn continue_iteration(&mut self, context: u32, direction: Direction) {
        let Some(half) = self.open_half(context, direction) else { return };
        if !half.begun {
            return;
        }
        let from_this_filter = half.iteration == Iteration::StoppedAll;
        half.iteration = Iteration::Flowing;
        if !half.headers_continued {
            half.headers_continued = true;
            let last = half.ended && half.buffered.is_none() && half.trailers.is_none();
            self.send_headers(context, direction, last);
        }
        let Some(half) = self.open_half(context, direction) else { return };
        let trailers = half.trailers.is_some();
        if let Some(body) = half.buffered.take() {
            let last = half.ended && !trailers;
            if from_this_filter {
                self.announce_body(context, direction, body, last);
            } else {
                self.send_body(context, direction, body, last);
            }
        }
        if trailers && from_this_filter {
            self.announce_trailers(context, direction);
        } else if trailers {
            self.send_trailers(context, direction);
        }
    }

    /// Enters the guest for a frame of a stream.
    fn announce(&mut self, context: u32, direction: Direction, frame: Frame) -> Verdict {
        self.touch(context);
        if self.state().stream(context).is_some_and(|stream| stream.bypass) {
            return Verdict::Continue;
        }
        let number = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let request = direction == Direction::Request;
        let (export, arguments) = match frame {
            Frame::Headers { count, last } => (
                if request { "proxy_on_request_headers" } else { "proxy_on_response_headers" },
                vec![context, number(count), u32::from(last)],
            ),
            Frame::Body { size, last } => (
                if request { "proxy_on_request_body" } else { "proxy_on_response_body" },
                vec![context, number(size), u32::from(last)],
            ),
            Frame::Trailers { count } => (
                if request { "proxy_on_request_trailers" } else { "proxy_on_response_trailers" },
                vec![context, number(count)],
            ),
        };
        if request && let Some(stream) = self.state().stream(context) {
            stream.in_decode = true;
        }
        let returned = self.enter(context, export, &arguments);
        let missing = returned.is_none() && self.failure().is_none();
        let verdict = match returned {
            Some(returned) if returned.stopped => Verdict::Stop,
            Some(returned) if returned.value == 0 => Verdict::Continue,
            Some(_) => Verdict::Pause,
            None if missing => Verdict::Continue,
            None => {
                self.fail_stream(context);
                Verdict::Stop
            }
        };
        if request {
            let prepared = self.state().stream(context).and_then(|stream| {
                stream.in_decode = false;
                stream.prepared.take()
            });
            if let Some(reply) = prepared {
                self.encode_local_reply(context, reply);
            }
        }
        verdict
    }

    /// The half, while the stream lives and, for requests, no reply has cut it short.
    fn open_half(&mut self, context: u32, direction: Direction) -> Option<&mut crate::half::Half> {
        let stream = self.state().stream(context)?;
        let closed = stream.ended || (direction == Direction::Request && stream.aborted);
        (!closed).then(|| stream.half(direction))
    }

    /// Something moved: the idle timeout begins anew.
    pub(crate) fn touch(&mut self, context: u32) {
        let state = self.state();
        let (vm, thread) = (state.number, state.thread);
        let Some(stream) = state.stream(context) else { return };
        stream.activity += 1;
        let activity = stream.activity;
        let timeout = stream.idle_timeout;
        if timeout == Duration::MAX {
            return;
        }
        let stream = crate::agenda::StreamKey { vm, context };
        state.process.borrow_mut().after(timeout, thread, crate::agenda::Task::IdleTimeout { stream, activity });
    }
}
