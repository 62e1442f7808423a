//! A streamed completion, read strictly: what is not as OpenAI's API has it is an error, not a guess.
//!
//! The filter's own reader is lenient, because a gateway has to pass on whatever comes. A measurement must not.

use serde::Deserialize;
use serde_json::Value;

/// A line longer than this is no event of a completion.
const LINE_BYTES_MAX: usize = 1 << 20;

/// A stream as it comes.
#[derive(Debug, Default)]
pub(super) struct Stream {
    line: Vec<u8>,
    /// Events that carried output.
    pub outputs: u32,
    /// Events with a choice at all: tokens without text of their own (half a character) are such.
    pub choices: u32,
    /// Usage that the server reports.
    pub usage: Option<Usage>,
    /// `true` if it ended as it should: `[DONE]`, or a finish reason.
    pub ended: bool,
}

/// Tokens as the server counts them.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Usage {
    pub prompt_tokens: u32,
    #[serde(default)]
    pub completion_tokens: u32,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    text: Option<String>,
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    role: Option<String>,
    content: Option<String>,
    #[serde(alias = "reasoning")]
    reasoning_content: Option<String>,
}

// === impl Stream ===

impl Stream {
    /// Takes the next bytes, split anywhere.
    ///
    /// # Errors
    ///
    /// What is no event stream of a completion, in words.
    pub(super) fn feed(&mut self, mut chunk: &[u8]) -> Result<(), String> {
        while let Some(end) = chunk.iter().position(|byte| *byte == b'\n') {
            let (text, rest) = chunk.split_at(end);
            self.line.extend_from_slice(text);
            chunk = &rest[1..];
            let line = std::mem::take(&mut self.line);
            self.read_line(line.trim_ascii_end())?;
        }
        self.line.extend_from_slice(chunk);
        if self.line.len() > LINE_BYTES_MAX { Err("a line without end".into()) } else { Ok(()) }
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), String> {
        let Some(data) = line.strip_prefix(b"data:").map(<[u8]>::trim_ascii) else {
            let is_other_field = line.is_empty()
                || line.starts_with(b":")
                || [b"event:".as_slice(), b"id:", b"retry:"].iter().any(|name| line.starts_with(name));
            return if is_other_field { Ok(()) } else { Err(format!("{:?} is no line of an event", shown(line))) };
        };
        if data == b"[DONE]" {
            self.ended = true;
            return Ok(());
        }
        let event: Event = serde_json::from_slice(data).map_err(|reason| format!("{:?}: {reason}", shown(data)))?;
        if let Some(error) = event.error {
            return Err(format!("the server reports {error}"));
        }
        for choice in &event.choices {
            let (is_output, is_choice) = choice.carries();
            self.outputs += u32::from(is_output);
            self.choices += u32::from(is_choice);
            self.ended |= choice.finish_reason.is_some();
        }
        self.usage = event.usage.or(self.usage);
        Ok(())
    }
}

// === impl Choice ===

impl Choice {
    /// Returns two flags: there is text in it, and it may stand for a token at all.
    fn carries(&self) -> (bool, bool) {
        let has = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let (output, opening) = match &self.delta {
            Some(delta) => (has(&delta.content) || has(&delta.reasoning_content), delta.role.is_some()),
            None => (has(&self.text), false),
        };
        (output, output || (self.finish_reason.is_none() && !opening))
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Stream, String> {
        let mut stream = Stream::default();
        text.as_bytes().chunks(7).try_for_each(|chunk| stream.feed(chunk)).map(|()| stream)
    }

    #[test]
    fn a_chat_is_read_whichever_way_it_is_split() {
        let stream = read(concat!(
            "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\r\n\r\n",
            ": ping\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}\n\n",
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n",
        ))
        .unwrap();
        assert_eq!((stream.outputs, stream.ended), (2, true));
        assert_eq!(stream.usage.map(|usage| (usage.prompt_tokens, usage.completion_tokens)), Some((7, 2)));
    }

    #[test]
    fn what_is_no_completion_is_an_error() {
        for (text, expected) in [
            ("data: {\"choices\":\n", "EOF"),
            ("<html>\n", "no line of an event"),
            ("data: {\"error\":{\"message\":\"out of memory\"}}\n", "out of memory"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_stream_that_stops_in_the_middle_has_not_ended() {
        assert!(!read("data: {\"choices\":[{\"text\":\"a\",\"finish_reason\":null}]}\n\n").unwrap().ended);
    }
}
