//! An incremental reader of server-sent events, as model servers stream them.
//!
//! Written by hand because the readers on crates.io own the stream or keep every event; here chunks
//! are pushed in, split anywhere (inside a character, between `\r` and `\n`), and only counts are
//! kept. The format:
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>.

#[cfg(test)]
mod tests;

use super::response_id::ResponseId;
use super::scan::Scanner;
use super::told::{Fault, Told};
use super::usage::{Counts, Usage};

/// The longest name of a field, or of an event, that matters.
const NAME_BYTES: usize = 8;
/// A byte order mark, in UTF-8, which may lead a stream.
const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// Counts the events of a stream, tells which of them carry output, an error or the end, and
/// collects the usage. It never fails: what it cannot read tells nothing.
#[derive(Debug, Default)]
pub struct SseReader {
    /// Number of bytes of a byte order mark that the stream began with; more than it has, once
    /// anything else came.
    mark: usize,
    line: Line,
    /// The last byte was `\r`, so that a `\n` now belongs to it.
    after_cr: bool,
    /// The data of the event that has begun.
    data: Scanner,
    told: Told,
    /// The name of that event is `error`, or the field of its data is.
    is_error: bool,
    events: u32,
    output_events: u32,
    is_known: bool,
    has_end: bool,
    is_done: bool,
    fault: Option<Fault>,
    counts: Counts,
    response_id: Option<ResponseId>,
}

/// The line that has begun.
#[derive(Clone, Copy, Debug)]
enum Line {
    /// Its field's name.
    Name(NamePrefix),
    /// The value of a field of data.
    Data,
    /// The value of a field that names the event.
    Event(NamePrefix),
    /// Of no meaning.
    Other,
}

/// The beginning of a name.
#[derive(Clone, Copy, Debug, Default)]
struct NamePrefix {
    bytes: [u8; NAME_BYTES],
    length: usize,
}

// === impl SseReader ===

impl SseReader {
    /// Takes the next bytes of the stream.
    pub fn feed(&mut self, chunk: &[u8]) {
        let mut rest = self.without_mark(chunk);
        if self.after_cr
            && let Some((first, after)) = rest.split_first()
        {
            self.after_cr = false;
            if *first == b'\n' {
                rest = after;
            }
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
            let (text, from_end) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            if end > 0 || !self.line.is_empty() {
                self.extend_line(text);
                self.end_line();
            } else {
                self.end_event();
            }
            rest = from_end.strip_prefix(b"\r\n").or(from_end.get(1..)).unwrap_or(&[]);
            self.after_cr = from_end == b"\r";
        }
        self.extend_line(rest);
    }

    /// The stream has ended; an event that was not ended properly counts all the same.
    pub fn finish(&mut self) {
        self.end_line();
        self.end_event();
    }

    /// Events with data so far that are objects.
    pub fn events(&self) -> u32 {
        self.events
    }

    /// Events so far that carry output: a token or a few, of text, reasoning or a tool call. Not
    /// the role that opens a message, pings, usage, nor what ends it.
    pub fn output_events(&self) -> u32 {
        self.output_events
    }

    /// Output tokens that the server has told so far; most tell them only at the end.
    pub fn told_tokens(&self) -> u32 {
        self.counts.completion_tokens()
    }

    /// The usage, as far as it was told.
    pub fn usage(&self) -> Usage {
        self.counts.usage()
    }

    /// Returns `true` once the answer has come to its end.
    pub fn has_end(&self) -> bool {
        self.has_end || self.is_done
    }

    /// Returns `true` once nothing comes any more that a client waits for.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Returns `true` if its dialect is one that says when an answer ends.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// The id of the response that it streams, once it was told.
    pub fn response_id(&self) -> Option<&ResponseId> {
        self.response_id.as_ref()
    }

    /// The first error that it told.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    fn without_mark<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        let mut rest = chunk;
        while let Some(expected) = BYTE_ORDER_MARK.get(self.mark)
            && let Some((first, after)) = rest.split_first()
        {
            if first == expected {
                self.mark = self.mark.saturating_add(1);
                rest = after;
            } else {
                self.mark = usize::MAX;
            }
        }
        rest
    }

    fn extend_line(&mut self, text: &[u8]) {
        let mut rest = text;
        if let Line::Name(name) = &mut self.line {
            let colon = memchr::memchr(b':', rest);
            let (part, value) = rest.split_at_checked(colon.unwrap_or(rest.len())).unwrap_or((rest, &[]));
            name.extend(part);
            if colon.is_none() {
                return;
            }
            rest = value.get(1..).unwrap_or_default();
            self.line = match name.as_bytes() {
                b"data" => Line::Data,
                b"event" => Line::Event(NamePrefix::default()),
                // As llama-server wrote for long.
                b"error" => {
                    self.is_error = true;
                    Line::Data
                }
                _ => Line::Other,
            };
        }
        match &mut self.line {
            Line::Data => self.data.feed(rest, &mut self.told),
            Line::Event(name) => name.extend(rest),
            Line::Name(_) | Line::Other => {}
        }
    }

    fn end_line(&mut self) {
        match std::mem::take(&mut self.line) {
            Line::Name(name) if name.length == 0 => self.end_event(),
            // The lines of an event's data are joined by line feeds.
            Line::Data => self.data.feed(b"\n", &mut self.told),
            Line::Event(name) => self.is_error = name.as_bytes().trim_ascii() == b"error",
            Line::Name(_) | Line::Other => {}
        }
    }

    fn end_event(&mut self) {
        let is_error = std::mem::take(&mut self.is_error);
        if !self.data.has_begun() {
            // Nothing but white space can have come.
            return;
        }
        self.data.finish(&mut self.told);
        let told = std::mem::take(&mut self.told);
        self.data = Scanner::default();
        self.is_done |= told.is_done();
        self.has_end |= told.is_end();
        self.is_known |= told.is_known();
        self.fault = self.fault.or(told.fault(is_error));
        if told.is_object() {
            self.events = self.events.saturating_add(1);
            self.output_events = self.output_events.saturating_add(u32::from(told.is_output()));
            self.counts = self.counts.then(told.counts);
            self.response_id = self.response_id.take().or(told.response_id);
        }
    }
}

// === impl Line ===

impl Line {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Name(name) if name.length == 0)
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::Name(NamePrefix::default())
    }
}

// === impl NamePrefix ===

impl NamePrefix {
    fn extend(&mut self, text: &[u8]) {
        for byte in text.iter().take(NAME_BYTES) {
            if let Some(slot) = self.bytes.get_mut(self.length) {
                *slot = *byte;
                self.length = self.length.saturating_add(1);
            }
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}
