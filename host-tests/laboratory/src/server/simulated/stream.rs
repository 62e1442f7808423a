//! An answer as server-sent events.
//!
//! Tokens dominate the cost of a simulated pod, so an iteration is one write per request, and the event of a token, the
//! same each time, is formatted once per answer.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::answer::{Answer, Delta};
use super::driver::{Generation, Progress};

const DONE: &str = "data: [DONE]\n\n";

/// Body of an answer.
pub(super) type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;

/// A stream in progress.
struct Writer {
    answer: Answer,
    include_usage: bool,
    token: Bytes,
    written: u32,
    generation: Generation,
}

/// Answers at once.
pub(super) fn whole(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<AnswerBody> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Answers with the generation's tokens as they come.
pub(super) fn respond(answer: Answer, include_usage: bool, generation: Generation) -> Response<AnswerBody> {
    let token = Bytes::from(event(&answer.chunk(Delta::Token)));
    let writer = Writer { answer, include_usage, token, written: 0, generation };
    let mut response = Response::new(writer.boxed_unsync());
    let headers = [(CONTENT_TYPE, "text/event-stream; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    response.headers_mut().extend(headers.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

impl Body for Writer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let progress = ready!(self.generation.poll_next(cx));
        Poll::Ready(progress.map(|progress| Ok(Frame::data(self.write(progress)))))
    }
}

// === impl Writer ===

impl Writer {
    /// Returns the frame with what is new since the last one.
    fn write(&mut self, progress: Progress) -> Bytes {
        let opening = self.written == 0;
        let new = progress.tokens.saturating_sub(self.written);
        self.written += new;
        if new == 1 && !opening && !progress.finished {
            return self.token.clone();
        }
        let mut frame = Vec::new();
        if opening {
            frame.extend(event(&self.answer.chunk(Delta::Opening)));
        }
        (0..new).for_each(|_| frame.extend_from_slice(&self.token));
        if progress.finished {
            frame.extend(self.end());
        }
        frame.into()
    }

    fn end(&self) -> Vec<u8> {
        let mut end = event(&self.answer.chunk(Delta::End));
        if self.include_usage {
            end.extend(event(&self.answer.usage_chunk()));
        }
        end.extend_from_slice(DONE.as_bytes());
        end
    }
}

fn event(data: &Value) -> Vec<u8> {
    format!("data: {data}\n\n").into_bytes()
}
