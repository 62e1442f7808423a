//! Observation of a response while it passes: when its first token came, how much it has put out,
//! what it cost, how it ended.

use super::document::DocumentReader;
use super::endpoint::Endpoint;
use super::response_id::ResponseId;
use super::sse::SseReader;
use super::told::Fault;
use super::usage::Usage;
use crate::scheduling::time::Instant;

/// Length of the beginning of a refusal that is kept: enough to tell a model that is missing from a
/// path that is.
const REFUSAL_BYTES: usize = 512;

/// Headers of a response that tell what its body is, and the API that it answers.
#[derive(Clone, Copy, Debug)]
pub struct ResponseFacts<'a> {
    /// The request's.
    pub endpoint: Endpoint,
    /// `:status`.
    pub status: u16,
    /// `content-type`.
    pub content_type: Option<&'a str>,
    /// `content-encoding`.
    pub content_encoding: Option<&'a str>,
}

/// Reads a response as it passes, in the way that its headers call for.
#[derive(Debug)]
pub struct ResponseObserver {
    endpoint: Endpoint,
    body: ResponseBody,
    bytes: u64,
    first_token_at: Option<Instant>,
    last_chunk_at: Option<Instant>,
}

/// Measurements from a whole response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Instant of the first event with output, or of the first byte of a stream that is compressed;
    /// `None` for a response that is not streamed.
    pub first_token_at: Option<Instant>,
    /// Events with output; zero for a response that is not streamed or cannot be read.
    pub output_events: u32,
    /// Tokens that it cost, as far as the server said so.
    pub usage: Usage,
    /// Bytes of the body.
    pub bytes: u64,
    /// End of the response.
    pub end: ResponseEnd,
}

/// Output so far of an answer that is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputSoFar {
    /// Tokens, as the server reports along the way; zero where it does not.
    pub told_tokens: u32,
    /// Events with output.
    pub events: u32,
}

impl OutputSoFar {
    /// Tokens that there are at least: an event with output has one.
    pub fn least_tokens(self) -> u32 {
        self.told_tokens.max(self.events)
    }
}

/// End of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseEnd {
    /// It came to its end.
    #[default]
    Whole,
    /// It told an error, under a status that tells none.
    Faulty(Fault),
    /// It just ended.
    Cut,
}

#[derive(Debug)]
enum ResponseBody {
    Stream(Box<SseReader>),
    Document(Box<DocumentReader>),
    /// Of a type that does not say what it is: its first bytes do.
    Untyped,
    /// An answer that the request is wrong; its beginning.
    Refusal(Vec<u8>),
    /// Compressed, an error, or of another type: bytes are all that can be counted.
    Opaque {
        /// `true` where the times at which bytes come still say something.
        streamed: bool,
    },
}

// === impl ResponseObserver ===

impl ResponseObserver {
    /// For a response with these headers.
    pub fn new(facts: ResponseFacts<'_>) -> Self {
        Self {
            endpoint: facts.endpoint,
            body: ResponseBody::of(facts),
            bytes: 0,
            first_token_at: None,
            last_chunk_at: None,
        }
    }

    /// Returns `true` while it matters when parts of the body come.
    pub fn is_timed(&self) -> bool {
        match &self.body {
            ResponseBody::Stream(_) | ResponseBody::Untyped => true,
            ResponseBody::Opaque { streamed } => *streamed && self.bytes == 0,
            ResponseBody::Document(_) | ResponseBody::Refusal(_) => false,
        }
    }

    /// Returns `true` while anything is learned from the body.
    pub fn is_read(&self) -> bool {
        match &self.body {
            ResponseBody::Opaque { .. } => self.is_timed(),
            ResponseBody::Refusal(head) => head.len() < REFUSAL_BYTES,
            ResponseBody::Stream(_) | ResponseBody::Document(_) | ResponseBody::Untyped => true,
        }
    }

    /// Takes the next bytes of the body, split anywhere, as they came at `now`.
    pub fn feed(&mut self, chunk: &[u8], now: Instant) {
        self.bytes = self.bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        self.last_chunk_at = Some(now);
        if matches!(self.body, ResponseBody::Untyped)
            && let Some(body) = ResponseBody::by_first_bytes(chunk)
        {
            self.body = body;
        }
        match &mut self.body {
            ResponseBody::Stream(stream) => stream.feed(chunk),
            ResponseBody::Document(document) => document.feed(chunk),
            ResponseBody::Refusal(head) => {
                let free = REFUSAL_BYTES.saturating_sub(head.len());
                head.extend_from_slice(chunk.get(..free).unwrap_or(chunk));
            }
            ResponseBody::Opaque { streamed: true } => self.first_token_at = self.first_token_at.or(Some(now)),
            ResponseBody::Opaque { streamed: false } | ResponseBody::Untyped => {}
        }
        self.note_first_token();
    }

    /// Output so far: the tokens that the server tells, and the events with output. Zero where
    /// nothing can be known before the end.
    pub fn output_so_far(&self) -> OutputSoFar {
        match &self.body {
            ResponseBody::Stream(stream) => {
                OutputSoFar { told_tokens: stream.told_tokens(), events: stream.output_events() }
            }
            ResponseBody::Document(_)
            | ResponseBody::Untyped
            | ResponseBody::Refusal(_)
            | ResponseBody::Opaque { .. } => OutputSoFar::default(),
        }
    }

    /// Returns the instant of the first token, if it has come.
    pub fn first_token_at(&self) -> Option<Instant> {
        self.first_token_at
    }

    /// The id by which later requests can go on from the response, once it has come.
    pub fn response_id(&self) -> Option<&ResponseId> {
        match &self.body {
            _ if self.endpoint != Endpoint::Responses => None,
            ResponseBody::Stream(stream) => stream.response_id(),
            ResponseBody::Document(document) => document.response_id(),
            ResponseBody::Untyped | ResponseBody::Refusal(_) | ResponseBody::Opaque { .. } => None,
        }
    }

    /// The beginning of an answer that the request is wrong; nothing of any other.
    pub fn refusal(&self) -> &[u8] {
        if let ResponseBody::Refusal(head) = &self.body { head } else { &[] }
    }

    /// The response has ended: all that it told. `complete`: it was not cut.
    pub fn finish(mut self, complete: bool) -> Observed {
        if let ResponseBody::Stream(stream) = &mut self.body {
            stream.finish();
        }
        self.note_first_token();
        let (output_events, usage, end) = match &mut self.body {
            ResponseBody::Stream(stream) => {
                (stream.output_events(), stream.usage(), end_of(stream, self.endpoint, complete))
            }
            ResponseBody::Document(document) => {
                let is_whole = document.finish();
                let end = match document.fault() {
                    Some(fault) => ResponseEnd::Faulty(fault),
                    None if is_whole && complete => ResponseEnd::Whole,
                    None => ResponseEnd::Cut,
                };
                (0, document.usage(), end)
            }
            ResponseBody::Untyped | ResponseBody::Refusal(_) | ResponseBody::Opaque { .. } => {
                (0, Usage::default(), if complete { ResponseEnd::Whole } else { ResponseEnd::Cut })
            }
        };
        Observed { first_token_at: self.first_token_at, output_events, usage, bytes: self.bytes, end }
    }

    fn note_first_token(&mut self) {
        if let ResponseBody::Stream(stream) = &self.body
            && stream.output_events() > 0
        {
            self.first_token_at = self.first_token_at.or(self.last_chunk_at);
        }
    }
}

/// Judges how a stream ended. Bytes behind the last event of an answer that it takes to its end are
/// of no matter; a stream of an API that is not known may not say when it ends.
fn end_of(stream: &SseReader, endpoint: Endpoint, complete: bool) -> ResponseEnd {
    let is_foreign = endpoint == Endpoint::Any && !stream.is_known() && stream.events() > 0;
    match stream.fault() {
        Some(fault) => ResponseEnd::Faulty(fault),
        None if stream.is_done() || complete && (stream.has_end() || is_foreign) => ResponseEnd::Whole,
        None => ResponseEnd::Cut,
    }
}

// === impl ResponseBody ===

impl ResponseBody {
    fn of(facts: ResponseFacts<'_>) -> Self {
        let media_type = facts.content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        let is_stream = media_type.eq_ignore_ascii_case("text/event-stream");
        let is_plain = facts.content_encoding.is_none_or(|encoding| {
            let encoding = encoding.trim();
            encoding.is_empty() || encoding.eq_ignore_ascii_case("identity")
        });
        if !(200..300).contains(&facts.status) {
            return if facts.status == 404 && is_plain {
                Self::Refusal(Vec::new())
            } else {
                Self::Opaque { streamed: false }
            };
        }
        if !is_plain {
            return Self::Opaque { streamed: is_stream };
        }
        if is_stream {
            Self::Stream(Box::default())
        } else if names_json(media_type) {
            Self::Document(Box::default())
        } else if media_type.is_empty() || media_type.eq_ignore_ascii_case("application/octet-stream") {
            Self::Untyped
        } else {
            Self::Opaque { streamed: false }
        }
    }

    /// Recognizes a body by its first bytes; `None` for bytes that say nothing.
    fn by_first_bytes(chunk: &[u8]) -> Option<Self> {
        let text = chunk.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(chunk).trim_ascii_start();
        let is_stream = [&b"data:"[..], b"event:", b":"].iter().any(|field| text.starts_with(field));
        Some(match text.first()? {
            b'{' => Self::Document(Box::default()),
            _ if is_stream => Self::Stream(Box::default()),
            _ => Self::Opaque { streamed: false },
        })
    }
}

fn names_json(media_type: &str) -> bool {
    let lower = media_type.to_ascii_lowercase();
    lower == "application/json" || lower.ends_with("+json")
}

#[cfg(test)]
mod tests;
