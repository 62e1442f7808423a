//! What a response tells while it passes: when its first token came, how much it has put out, what it cost.

use super::sse::SseReader;
use super::tail::TailReader;
use super::usage::Usage;
use crate::scheduling::time::Instant;

/// What a response's headers say about its body.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponseFacts<'a> {
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
    body: Body,
    bytes: u64,
    first_token_at: Option<Instant>,
    last_chunk_at: Option<Instant>,
}

/// What a whole response has told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// When the first event with output came; `None` for a response that is not streamed or cannot be read.
    pub first_token_at: Option<Instant>,
    /// Events with output; zero for a response that is not streamed or cannot be read.
    pub output_events: u32,
    /// What it cost, if the server said so.
    pub usage: Option<Usage>,
    /// Bytes of the body.
    pub bytes: u64,
}

#[derive(Debug)]
enum Body {
    Stream(SseReader),
    Document(TailReader),
    /// Compressed, an error, or of another type: bytes are all that can be counted.
    Opaque,
}

// === impl ResponseObserver ===

impl ResponseObserver {
    /// For a response with these headers.
    pub fn new(facts: ResponseFacts<'_>) -> Self {
        Self { body: Body::of(facts), bytes: 0, first_token_at: None, last_chunk_at: None }
    }

    /// Whether it matters when parts of the body come.
    pub fn is_timed(&self) -> bool {
        matches!(self.body, Body::Stream(_))
    }

    /// Whether anything is learned from the body.
    pub fn is_read(&self) -> bool {
        !matches!(self.body, Body::Opaque)
    }

    /// Takes the next bytes of the body, split anywhere, as they came at `now`.
    pub fn feed(&mut self, chunk: &[u8], now: Instant) {
        self.bytes = self.bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        self.last_chunk_at = Some(now);
        match &mut self.body {
            Body::Stream(stream) => stream.feed(chunk),
            Body::Document(document) => document.feed(chunk),
            Body::Opaque => {}
        }
        self.note_first_token();
    }

    /// Output tokens so far: those that the server tells, or one for each event with output. Zero where nothing can be
    /// known before the end.
    pub fn output_so_far(&self) -> u32 {
        match &self.body {
            Body::Stream(stream) => stream.output_tokens(),
            Body::Document(_) | Body::Opaque => 0,
        }
    }

    /// When the first token came, if it has.
    pub fn first_token_at(&self) -> Option<Instant> {
        self.first_token_at
    }

    /// The response has ended, or was cut: all that it told.
    pub fn finish(mut self) -> Observed {
        if let Body::Stream(stream) = &mut self.body {
            stream.finish();
        }
        self.note_first_token();
        let (output_events, usage) = match &self.body {
            Body::Stream(stream) => (stream.output_events(), stream.usage()),
            Body::Document(document) => (0, document.usage()),
            Body::Opaque => (0, None),
        };
        Observed { first_token_at: self.first_token_at, output_events, usage, bytes: self.bytes }
    }

    fn note_first_token(&mut self) {
        if let Body::Stream(stream) = &self.body
            && stream.output_events() > 0
        {
            self.first_token_at = self.first_token_at.or(self.last_chunk_at);
        }
    }
}

// === impl Body ===

impl Body {
    fn of(facts: ResponseFacts<'_>) -> Self {
        let is_plain = facts.content_encoding.is_none_or(|encoding| {
            let encoding = encoding.trim();
            encoding.is_empty() || encoding.eq_ignore_ascii_case("identity")
        });
        if !(200..300).contains(&facts.status) || !is_plain {
            return Self::Opaque;
        }
        let media_type = facts.content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("text/event-stream") {
            Self::Stream(SseReader::default())
        } else if media_type.eq_ignore_ascii_case("application/json") {
            Self::Document(TailReader::default())
        } else {
            Self::Opaque
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: ResponseFacts<'_> =
        ResponseFacts { status: 200, content_type: Some("text/event-stream; charset=utf-8"), content_encoding: None };
    const DOCUMENT: ResponseFacts<'_> =
        ResponseFacts { status: 200, content_type: Some("Application/JSON"), content_encoding: Some("identity") };
    const USAGE: Option<Usage> = Some(Usage { prompt_tokens: 7, completion_tokens: 3, cached_tokens: None });

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn the_first_token_of_a_stream_is_timed_by_the_chunk_that_completes_it() {
        let mut observer = ResponseObserver::new(STREAM);
        observer.feed(b"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n", at(10));
        observer.feed(b"data: {\"choices\":[{\"delta\":{\"content\":\"Hel", at(20));
        assert_eq!((observer.first_token_at(), observer.output_so_far()), (None, 0));
        observer.feed(b"lo\"}}]}\n\n", at(30));
        assert_eq!((observer.first_token_at(), observer.output_so_far()), (Some(at(30)), 1));
        observer.feed(b"data: {\"choices\":[{\"delta\":{\"content\":\"!\"}}]}\n\n", at(40));
        observer.feed(
            b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n",
            at(50),
        );
        assert_eq!(observer.output_so_far(), 3);
        let observed = observer.finish();
        assert_eq!((observed.first_token_at, observed.output_events, observed.usage), (Some(at(30)), 2, USAGE));
    }

    #[test]
    fn a_stream_that_breaks_off_counts_its_last_event_at_the_last_chunk() {
        let mut observer = ResponseObserver::new(STREAM);
        observer.feed(b"data: {\"choices\":[{\"text\":\"a\"}]}", at(10));
        assert_eq!(observer.first_token_at(), None);
        let observed = observer.finish();
        assert_eq!((observed.first_token_at, observed.output_events), (Some(at(10)), 1));
    }

    #[test]
    fn a_document_tells_its_usage_and_no_first_token() {
        let mut observer = ResponseObserver::new(DOCUMENT);
        observer.feed(br#"{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_"#, at(10));
        observer.feed(br#"tokens":7,"completion_tokens":3}}"#, at(20));
        assert_eq!(observer.output_so_far(), 0);
        assert_eq!(observer.finish(), Observed { first_token_at: None, output_events: 0, usage: USAGE, bytes: 92 });
    }

    #[test]
    fn of_what_cannot_be_read_only_bytes_are_counted() {
        for facts in [
            ResponseFacts { content_encoding: Some("gzip"), ..STREAM },
            ResponseFacts { content_encoding: Some("br"), ..DOCUMENT },
            ResponseFacts { status: 500, ..DOCUMENT },
            ResponseFacts { status: 429, ..STREAM },
            ResponseFacts { content_type: Some("text/html"), ..DOCUMENT },
            ResponseFacts { content_type: None, ..DOCUMENT },
        ] {
            let mut observer = ResponseObserver::new(facts);
            let body = b"data: {\"choices\":[{\"text\":\"a\"}],\"usage\":{\"prompt_tokens\":7}}\n\n";
            observer.feed(body, at(10));
            let bytes = u64::try_from(body.len()).unwrap();
            assert_eq!(observer.finish(), Observed { bytes, ..Observed::default() }, "{facts:?}");
        }
    }
}
