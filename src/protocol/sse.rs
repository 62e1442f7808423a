//! An incremental reader of server-sent events, as model servers stream them.
//!
//! Written by hand because the readers on crates.io own the stream or keep every event; here chunks are pushed in, split
//! anywhere (inside a character, between `\r` and `\n`), and only counts are kept.
//! The format: <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>.

mod event;
#[cfg(test)]
mod tests;

use self::event::Event;
use super::tail::TailReader;
use super::usage::{Usage, UsageParts};

/// The longest line, and the longest event, that is looked into.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Counts the events of a stream, tells which of them carry output, and collects the usage. It never fails: what it
/// cannot read it counts.
#[derive(Debug, Default)]
pub struct SseReader {
    /// The line that has begun; up to [`LINE_BYTES_MAX`].
    line: Vec<u8>,
    /// Set once the line is too long: `line` is its beginning, the rest goes through here.
    overlong: Option<TailReader>,
    /// The last byte was `\r`, so that a `\n` now belongs to it.
    after_cr: bool,
    /// The data of the event that has begun, its lines joined by `\n`.
    data: Vec<u8>,
    /// The event that has begun has data that is not in `data`, because it is too long.
    truncated: bool,
    events: u32,
    output_events: u32,
    usage: UsageParts,
}

// === impl SseReader ===

impl SseReader {
    /// Takes the next bytes of the stream.
    pub fn feed(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        if self.after_cr
            && let Some((first, after)) = rest.split_first()
        {
            self.after_cr = false;
            if *first == b'\n' {
                rest = after;
            }
        }
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (text, from_end) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            self.extend_line(text);
            self.end_line();
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

    /// Events with data so far, other than `[DONE]`.
    pub fn events(&self) -> u32 {
        self.events
    }

    /// Events so far that carry output: a token or a few, of text, reasoning or a tool call. Not the role that opens a
    /// message, pings, usage, nor what ends it.
    pub fn output_events(&self) -> u32 {
        self.output_events
    }

    /// Output tokens so far: as the server says, or else (most tell only at the end) one for each output event.
    pub fn output_tokens(&self) -> u32 {
        self.usage.completion_tokens().unwrap_or(0).max(self.output_events)
    }

    /// The usage, as far as it was told.
    pub fn usage(&self) -> Option<Usage> {
        self.usage.usage()
    }

    fn extend_line(&mut self, text: &[u8]) {
        if let Some(tail) = &mut self.overlong {
            tail.feed(text);
        } else if self.line.len() + text.len() <= LINE_BYTES_MAX {
            self.line.extend_from_slice(text);
        } else {
            // The usage of a finished response stands in an event that repeats the whole output, two objects deep.
            let mut tail = TailReader::within(2);
            tail.feed(&self.line);
            tail.feed(text);
            self.overlong = Some(tail);
            // The field's name is all that is needed of a line of which nothing was kept yet.
            self.line.extend_from_slice(text.get(..NAME.len() + 1).unwrap_or(text));
        }
    }

    fn end_line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        let overlong = self.overlong.take();
        if line.is_empty() {
            self.end_event();
        } else if let Some(value) = data_of(&line) {
            if let Some(tail) = overlong {
                self.truncated = true;
                self.usage = self.usage.then(tail.parts());
            } else if self.data.len() + value.len() < LINE_BYTES_MAX {
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            } else {
                self.truncated = true;
            }
        }
        line.clear();
        self.line = line;
    }

    fn end_event(&mut self) {
        let mut data = std::mem::take(&mut self.data);
        let truncated = std::mem::take(&mut self.truncated);
        if truncated || !matches!(data.trim_ascii(), b"" | b"[DONE]") {
            // What cannot be read is taken for output, in favour of timing the first token.
            let event = if truncated { Event::unreadable() } else { Event::read(&data) };
            self.events = self.events.saturating_add(1);
            self.output_events = self.output_events.saturating_add(u32::from(event.is_output));
            self.usage = self.usage.then(event.usage);
        }
        data.clear();
        self.data = data;
    }
}

const NAME: &[u8] = b"data";

/// The value of a line if its field is `data`. The space that leads it is as nothing to JSON.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    let value = line.strip_prefix(NAME)?;
    if value.is_empty() { Some(value) } else { value.strip_prefix(b":") }
}
