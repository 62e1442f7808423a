//! The JSON of answers and errors.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// Text of every token.
pub(super) const WORD: &str = " token";

/// Completion endpoint that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Chat,
    Text,
}

/// One answer, whichever way it is told.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub kind: Kind,
    pub number: u64,
    pub model: String,
    pub prompt_tokens: u32,
    pub output_tokens: u32,
    /// `true` if the client's cap cut it short.
    pub capped: bool,
}

/// A piece of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delta {
    Opening,
    Token,
    End,
}

/// Fault of a request, answered as OpenAI's API words errors.
#[derive(Debug)]
pub(super) struct BadRequest(String);

// === impl Answer ===

impl Answer {
    /// All of it at once.
    pub(super) fn to_json(&self) -> Value {
        let text = WORD.repeat(self.output_tokens as usize);
        let (object, content) = match self.kind {
            Kind::Chat => ("chat.completion", json!({"message": {"role": "assistant", "content": text}})),
            Kind::Text => ("text_completion", json!({"text": text})),
        };
        let mut answer = self.envelope(object, vec![choice(content, Some(self.finish_reason()))]);
        answer["usage"] = self.usage();
        answer
    }

    /// A piece of it, as it comes in a stream: the opening, a token, the end.
    pub(super) fn chunk(&self, delta: Delta) -> Value {
        let reason = (delta == Delta::End).then(|| self.finish_reason());
        let content = match (self.kind, delta) {
            (Kind::Chat, Delta::Opening) => json!({"delta": {"role": "assistant", "content": ""}}),
            (Kind::Chat, Delta::Token) => json!({"delta": {"content": WORD}}),
            (Kind::Chat, Delta::End) => json!({"delta": {}}),
            (Kind::Text, Delta::Token) => json!({"text": WORD}),
            (Kind::Text, Delta::Opening | Delta::End) => json!({"text": ""}),
        };
        self.envelope(self.chunk_object(), vec![choice(content, reason)])
    }

    /// The last piece of a stream whose client asked for usage.
    pub(super) fn usage_chunk(&self) -> Value {
        let mut chunk = self.envelope(self.chunk_object(), vec![]);
        chunk["usage"] = self.usage();
        chunk
    }

    fn chunk_object(&self) -> &'static str {
        match self.kind {
            Kind::Chat => "chat.completion.chunk",
            Kind::Text => "text_completion",
        }
    }

    fn envelope(&self, object: &str, choices: Vec<Value>) -> Value {
        let prefix = if self.kind == Kind::Chat { "chatcmpl" } else { "cmpl" };
        let id = format!("{prefix}-{}", self.number);
        json!({"id": id, "object": object, "created": unix_seconds(), "model": self.model, "choices": choices})
    }

    fn finish_reason(&self) -> &'static str {
        if self.capped { "length" } else { "stop" }
    }

    fn usage(&self) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": self.prompt_tokens + self.output_tokens,
        })
    }
}

fn choice(mut content: Value, finish_reason: Option<&str>) -> Value {
    content["index"] = json!(0);
    content["finish_reason"] = json!(finish_reason);
    content
}

// === impl BadRequest ===

impl BadRequest {
    pub(super) fn new(message: impl ToString) -> Self {
        Self(message.to_string())
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"error": {"message": self.0, "type": "invalid_request_error", "code": "bad_request"}})
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
