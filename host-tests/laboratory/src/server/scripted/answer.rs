//! Answers of a pod.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::body::Piece;

/// An answer as it is sent: the head, then the body in these parts.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) parts: Vec<Bytes>,
    pub(super) breaks_off: bool,
}

/// The hand on an answer whose body comes when the test sends it. Dropping it breaks the answer off.
#[derive(Debug)]
pub struct Pace(UnboundedSender<Piece>);

// === impl Answer ===

impl Answer {
    /// A status with an empty body.
    ///
    /// # Panics
    /// Where it is none.
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or_else(|error| panic!("status {status}: {error}"));
        Self { status, headers: HeaderMap::new(), parts: Vec::new(), breaks_off: false }
    }

    /// A JSON document.
    pub fn json(body: &Value) -> Self {
        Self::status(200).header(CONTENT_TYPE.as_str(), "application/json").part(body.to_string())
    }

    /// A chat completion of so many tokens.
    pub fn completion(prompt_tokens: u32, completion_tokens: u32) -> Self {
        Self::json(&json!({
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": "Hello." },
                "finish_reason": "stop",
            }],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            },
        }))
    }

    /// The head of an event stream, to be given its [parts](Self::part).
    pub fn events() -> Self {
        Self::status(200).header(CONTENT_TYPE.as_str(), "text/event-stream")
    }

    /// Adds a header.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).unwrap_or_else(|error| panic!("header {name:?}: {error}"));
        let value = HeaderValue::try_from(value).unwrap_or_else(|error| panic!("header {name}: {value:?}: {error}"));
        self.headers.append(name, value);
        self
    }

    /// Adds a part of the body, sent by itself.
    #[must_use]
    pub fn part(mut self, part: impl Into<Bytes>) -> Self {
        self.parts.push(part.into());
        self
    }

    /// The connection closes after the last part, before the body is complete.
    #[must_use]
    pub fn breaks_off(mut self) -> Self {
        self.breaks_off = true;
        self
    }
}

// === impl Pace ===

impl Pace {
    pub(super) fn new() -> (Self, UnboundedReceiver<Piece>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    /// Sends a part of the body. Nothing happens where the client has left.
    pub fn send(&self, part: impl Into<Bytes>) {
        drop(self.0.send(Piece::Part(part.into())));
    }

    /// Ends the body.
    pub fn end(self) {
        drop(self.0.send(Piece::End));
    }
}
