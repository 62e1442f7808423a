//! Reading of one event of a stream, or of a whole document: output, an end, an error, usage.
//!
//! One reader for all dialects, by what they have in common:
//! - OpenAI's chat and completions, with vLLM, SGLang, llama-server and TensorRT-LLM:
//!   `choices[].delta`, `.message` or `.text`, `.finish_reason`; `usage`, and llama-server's
//!   `timings`;
//! - OpenAI's responses: `type` ends in `.delta` and `delta` is a string; `response.usage`;
//! - Anthropic's messages: `type` is `content_block_delta` and `delta` an object; `message.usage`,
//!   `usage`;
//! - SGLang's `/generate`: `text`, `meta_info`; that of TGI: `token.text`, `generated_text`,
//!   `details`; llama-server's `/completion`: `content`, `stop`.

use super::response_id::ResponseId;
use super::scan::{Key, ScanSink, Value};
use super::usage::Counts;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    is_object: bool,
    /// It has a member by which its dialect is known.
    is_known: bool,
    kind: EventKind,
    has_type: bool,
    /// Text where any is output; where it is in an event without a type; and where it is in an
    /// event that is a delta.
    has_text: bool,
    has_bare_text: bool,
    has_delta: bool,
    /// It is OpenAI's `[DONE]`.
    is_done_mark: bool,
    /// An output ended, and why was said.
    is_last: bool,
    has_error: bool,
    /// Status that the error's code, or else its type, stands for.
    code: Option<u16>,
    type_code: Option<u16>,
    pub(super) counts: Counts,
    /// The id of the response that it tells of.
    pub(super) response_id: Option<ResponseId>,
}

/// Kind of an event by its `type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum EventKind {
    #[default]
    Other,
    Delta,
    /// The whole answer ends.
    End,
    Error,
}

/// That something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The HTTP status that its code stands for, if it has one.
    pub status: Option<u16>,
}

// === impl Told ===

impl Told {
    /// Returns `true` if it is an object: nothing else is read.
    pub(super) fn is_object(&self) -> bool {
        self.is_object
    }

    /// Returns `true` if it is of a dialect that says when it ends.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    /// Returns `true` if it carries output: a token or a few, of text, reasoning or a tool call.
    /// Not the role that opens a message, nor pings, usage and what ends it.
    pub(super) fn is_output(&self) -> bool {
        self.has_text || self.has_bare_text && !self.has_type || self.has_delta && self.kind == EventKind::Delta
    }

    /// Returns `true` if it ends the answer, or one of its outputs.
    pub(super) fn is_end(&self) -> bool {
        self.is_last || self.kind == EventKind::End
    }

    /// Returns `true` if nothing is to come behind it.
    pub(super) fn is_done(&self) -> bool {
        self.is_done_mark || self.kind == EventKind::End
    }

    /// The error that it is. `is_named`: something else says so.
    pub(super) fn fault(&self, is_named: bool) -> Option<Fault> {
        let has_error = is_named || self.has_error || self.kind == EventKind::Error;
        has_error.then(|| Fault { status: self.code.or(self.type_code) })
    }

    /// The id of a response has come.
    pub(super) fn take_id(&mut self, value: Value<'_>) {
        if let Value::Text(id) = value {
            self.response_id = ResponseId::of(id);
        }
    }

    fn take_type(&mut self, value: Value<'_>) {
        let Value::Text(name) = value else { return };
        self.kind = match name {
            b"content_block_delta" => EventKind::Delta,
            b"message_stop" | b"response.completed" | b"response.incomplete" => EventKind::End,
            b"error" | b"response.failed" => EventKind::Error,
            _ if name.ends_with(b".delta") => EventKind::Delta,
            _ => EventKind::Other,
        };
        self.has_type = true;
        self.is_known = true;
    }

    fn take_reason(&mut self, value: Value<'_>) {
        // vLLM and SGLang write so of what they gave up.
        self.has_error |= matches!(value, Value::Text(b"error" | b"abort"));
        self.is_last |= !value.is_nothing();
    }

    fn take_error(&mut self, path: &[Key], value: Value<'_>) {
        match path {
            [] => {
                self.has_error |= !value.is_nothing();
                self.type_code = self.type_code.or(status_of(value));
            }
            [Key::Code | Key::Status | Key::StatusCode] => self.code = status_of(value).or(self.code),
            [Key::Type] => self.type_code = status_of(value).or(self.type_code),
            _ => {}
        }
    }
}

impl ScanSink for Told {
    fn open(&mut self, path: &[Key], is_object: bool) -> bool {
        match path {
            [] => self.is_object = is_object,
            [Key::Error] | [Key::Response, Key::Error] => self.has_error = true,
            // SGLang's finish reasons are objects.
            [Key::MetaInfo, Key::FinishReason] | [Key::Choices, Key::Item, Key::FinishReason] => self.is_last = true,
            [Key::Choices, ..] => self.is_known = true,
            _ => {}
        }
        match path {
            [.., Key::Other] => {
                // Whatever a delta holds is output.
                matches!(path, [Key::Delta, ..] | [Key::Choices, Key::Item, Key::Delta | Key::Message, ..])
            }
            _ => true,
        }
    }

    fn scalar(&mut self, path: &[Key], value: Value<'_>) {
        let is_text = matches!(value, Value::Text(text) if !text.is_empty());
        match path {
            [Key::Choices, Key::Item, Key::FinishReason] | [Key::MetaInfo, Key::FinishReason, Key::Type] => {
                self.is_known = true;
                self.take_reason(value);
            }
            [Key::MetaInfo, Key::FinishReason, rest @ ..] => {
                self.is_known = true;
                if rest.is_empty() { self.take_reason(value) } else { self.take_error(rest, value) }
            }
            [Key::Choices, Key::Item, Key::Usage, rest @ ..]
            | [Key::Usage | Key::Timings | Key::MetaInfo | Key::Details, rest @ ..]
            | [Key::Response | Key::Message, Key::Usage, rest @ ..] => self.counts.take(rest, value),
            [Key::Choices, Key::Item, Key::Delta | Key::Message, .., Key::Role | Key::Type] => {}
            [Key::Choices, Key::Item, Key::Delta | Key::Message | Key::Text, ..] => self.has_text |= is_text,
            [Key::Content | Key::Text] => self.has_bare_text |= is_text,
            [Key::Token, Key::Text] | [Key::GeneratedText] => {
                self.is_known = true;
                self.has_text |= is_text;
                self.is_last |= is_text && path == [Key::GeneratedText];
            }
            [Key::Delta, Key::StopReason] => self.take_reason(value),
            [Key::Delta, .., Key::Role | Key::Type] => {}
            [Key::Delta, ..] => self.has_delta |= is_text,
            [Key::Type] => self.take_type(value),
            [Key::Response, Key::Id] => self.take_id(value),
            [Key::Item] => self.is_done_mark |= value == Value::Word(b"DONE"),
            [Key::Stop] => {
                self.is_known = true;
                self.is_last |= value == Value::Word(b"true");
            }
            [Key::Object] => self.has_error |= value == Value::Text(b"error"),
            [Key::Status] | [Key::Response, Key::Status] => self.has_error |= value == Value::Text(b"failed"),
            [Key::ErrorType] => self.type_code = status_of(value).or(self.type_code),
            [Key::Error, rest @ ..] | [Key::Response, Key::Error, rest @ ..] => self.take_error(rest, value),
            // Of an error that is the event itself, as OpenAI's responses and old vLLMs write it.
            [Key::Code] => self.take_error(path, value),
            _ => {}
        }
    }
}

/// The HTTP status that an error's code or type stands for: a number, or a name that servers give
/// it.
fn status_of(value: Value<'_>) -> Option<u16> {
    if let Some(number) = value.number() {
        return (400.0..600.0).contains(&number).then_some(number as u16);
    }
    let Value::Text(name) = value else { return None };
    // Names are written in several ways: `invalid_request_error`, `BadRequestError`,
    // `Invalid Request`.
    let letters: Vec<u8> = name.iter().filter(|byte| byte.is_ascii_alphabetic()).map(u8::to_ascii_lowercase).collect();
    let says = |word: &[u8]| letters.windows(word.len()).any(|window| window == word);
    const NAMES: [(&[u8], u16); 20] = [
        (b"ratelimit", 429),
        (b"toomany", 429),
        (b"queuefull", 429),
        (b"insufficientquota", 429),
        (b"overloaded", 529),
        (b"notfound", 404),
        (b"toolarge", 413),
        (b"authentication", 401),
        (b"invalidapikey", 401),
        (b"unauthorized", 401),
        (b"permission", 403),
        (b"forbidden", 403),
        (b"badrequest", 400),
        (b"invalidrequest", 400),
        (b"invalidprompt", 400),
        (b"invalidvalue", 400),
        (b"contextlength", 400),
        (b"exceedcontext", 400),
        (b"validation", 422),
        (b"unprocessable", 422),
    ];
    NAMES.iter().find(|(word, _)| says(word)).map(|(_, status)| *status)
}
