//! An answer as server-sent events.
//!
//! Tokens dominate the cost of a simulated pod, so an iteration is one write per request, and the event of a token, the
//! same each time, is formatted once per answer.

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::answer::{Answer, Delta};
use super::driver::{Generation, Progress};

const DONE: &str = "data: [DONE]\n\n";

/// A stream in progress.
struct Writer {
    answer: Answer,
    include_usage: bool,
    token: Bytes,
    written: u32,
}

/// Answers with the generation's tokens as they come.
pub(super) fn respond(answer: Answer, include_usage: bool, generation: Generation) -> Response {
    let token = Bytes::from(event(&answer.chunk(Delta::Token)));
    let writer = Writer { answer, include_usage, token, written: 0 };
    let frames = futures_util::stream::unfold((writer, generation), |(mut writer, mut generation)| async move {
        let progress = generation.next().await?;
        Some((Ok::<_, std::convert::Infallible>(writer.frame(progress)), (writer, generation)))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(frames)).into_response()
}

// === impl Writer ===

impl Writer {
    /// Returns the frame with what is new since the last one.
    fn frame(&mut self, progress: Progress) -> Bytes {
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
