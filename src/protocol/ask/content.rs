//! Measures texts, images and what cannot be measured wherever a request's content holds them.

mod json_text;

use std::fmt;
use std::ops::AddAssign;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::protocol::json::{Kind, Scalar};
use crate::protocol::tokens::TokenCounter;

/// Sums over a value and all within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) characters: u64,
    pub(super) images: u32,
    /// What has a length that nothing here tells: audio, video, files, what the server stores.
    pub(super) others: u32,
    /// Tokens of all texts; `None` once there is a text whose tokens were not counted.
    pub(super) text_tokens: Option<u32>,
    /// Numbers within arrays, which are token ids where prompts may be token ids.
    pub(super) token_ids: u32,
}

/// A value's kind and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) kind: Kind,
    pub(super) tally: Tally,
    /// Messages, items or prompts: what an array holds other than token ids; 1 for a string or an object.
    pub(super) items: u32,
}

/// Reads content of any shape that an inference API has: a string, a part (`text`, `content`, `output`, an image), an
/// array of these, token ids. Message, content part, block and tool call are one to it: an object whose texts count.
#[derive(Clone, Copy)]
pub(super) struct Measure<'a> {
    pub(super) counter: Option<&'a dyn TokenCounter>,
    /// Whether texts under any key count, as in documents, and not only under those of messages.
    pub(super) all_keys: bool,
}

/// Reads a value that a chat template writes into the prompt as JSON, such as the definitions of tools.
#[derive(Clone, Copy)]
pub(super) struct MeasureJson<'a>(pub(super) Option<&'a dyn TokenCounter>);

/// The keys of a message, part or block that matter.
#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    /// Text, and what holds it: of parts, messages, tool calls and their results, reasoning, documents.
    #[serde(
        alias = "arguments",
        alias = "content",
        alias = "function",
        alias = "function_call",
        alias = "output",
        alias = "reasoning",
        alias = "reasoning_content",
        alias = "refusal",
        alias = "summary",
        alias = "thinking",
        alias = "tool_calls"
    )]
    Text,
    /// What a document or a speaker is called.
    #[serde(alias = "context", alias = "name")]
    Title,
    /// The arguments of Anthropic's tool calls.
    Input,
    /// Where Anthropic's images and documents come from.
    Source,
    /// The text of such a source, or what is encoded in base64.
    Data,
    Type,
    #[serde(alias = "image", alias = "input_image")]
    ImageUrl,
    /// Sound, films and files, whether or not a part also says so by its type; and what only the server can read.
    #[serde(
        alias = "audio",
        alias = "audio_url",
        alias = "encrypted_content",
        alias = "file",
        alias = "file_data",
        alias = "file_id",
        alias = "file_url",
        alias = "input_audio",
        alias = "video",
        alias = "video_url"
    )]
    Sound,
    // Labels, which no template writes as they are.
    #[serde(alias = "role", alias = "tool_call_id", alias = "call_id", alias = "cache_control", alias = "signature")]
    Id,
    #[serde(other)]
    Other,
}

/// What the type of a part says of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Image,
    /// It cannot be measured.
    Other,
    /// Of a source: its data is text.
    PlainText,
    Unknown,
}

// === impl Tally ===

impl Default for Tally {
    fn default() -> Self {
        Self { characters: 0, images: 0, others: 0, text_tokens: Some(0), token_ids: 0 }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.characters = self.characters.saturating_add(other.characters);
        self.images = self.images.saturating_add(other.images);
        self.others = self.others.saturating_add(other.others);
        self.text_tokens = self.text_tokens.zip(other.text_tokens).map(|(a, b)| a.saturating_add(b));
        self.token_ids = self.token_ids.saturating_add(other.token_ids);
    }
}

impl Tally {
    /// The tokens of everything, if they are known of everything. `None` also where there is nothing to count.
    pub(super) fn exact_tokens(&self) -> Option<u32> {
        self.text_tokens.map(|tokens| tokens.saturating_add(self.token_ids)).filter(|&tokens| tokens > 0)
    }

    fn of_text(characters: u64, text: &str, counter: Option<&dyn TokenCounter>) -> Self {
        let text_tokens = if text.is_empty() { Some(0) } else { counter.and_then(|counter| counter.tokens_of(text)) };
        Self { characters, text_tokens, ..Self::default() }
    }
}

// === impl Measured ===

impl Measured {
    fn of(kind: Kind) -> Self {
        Self { kind, ..Self::default() }
    }
}

// === impl MeasureJson ===

impl<'de> DeserializeSeed<'de> for MeasureJson<'_> {
    type Value = Measured;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Measured, D::Error> {
        let raw: &RawValue = serde::Deserialize::deserialize(deserializer)?;
        let text = raw.get();
        if matches!(text, "null" | "[]" | "{}" | "\"\"") {
            return Ok(Measured::default());
        }
        let tally = Tally::of_text(json_text::characters(text), text, self.0);
        Ok(Measured { kind: Kind::Object, tally, items: 1 })
    }
}

// === impl Measure ===

impl<'de> DeserializeSeed<'de> for Measure<'_> {
    type Value = Measured;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Measured, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Measure<'_> {
    type Value = Measured;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Measured, E> {
        Ok(Measured::of(Kind::Null))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Measured, E> {
        Ok(Measured::of(Kind::Boolean))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Measured, E> {
        Ok(Measured { kind: Kind::Number, tally: Tally { token_ids: 1, ..Tally::default() }, items: 0 })
    }

    fn visit_i64<E>(self, _: i64) -> Result<Measured, E> {
        Ok(Measured::of(Kind::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Measured, E> {
        Ok(Measured::of(Kind::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Measured, E> {
        let characters = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        Ok(Measured { kind: Kind::String, tally: Tally::of_text(characters, text, self.counter), items: 1 })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Measured, A::Error> {
        let mut array = Measured::of(Kind::Array);
        while let Some(element) = seq.next_element_seed(self)? {
            array.tally += element.tally;
            if element.kind != Kind::Number {
                array.items = array.items.saturating_add(1);
            }
        }
        Ok(array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Measured, A::Error> {
        let (mut tally, mut title, mut data) = (Tally::default(), Tally::default(), Tally::default());
        let (mut part, mut others) = (Part::Unknown, 0);
        while let Some(key) = map.next_key()? {
            match key {
                Key::Text | Key::Source => tally += map.next_value_seed(self)?.tally,
                Key::Other if self.all_keys => tally += map.next_value_seed(self)?.tally,
                Key::Title => title += map.next_value_seed(self)?.tally,
                Key::Input => tally += map.next_value_seed(MeasureJson(self.counter))?.tally,
                Key::Data => data = map.next_value_seed(self)?.tally,
                Key::Type => part = Part::of(&map.next_value()?),
                Key::ImageUrl if holds_something(&mut map)? => part = part.or(Part::Image),
                Key::Sound if holds_something(&mut map)? => others = 1,
                Key::ImageUrl | Key::Sound => {}
                Key::Id | Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        match part {
            Part::Image => tally.images = tally.images.saturating_add(1),
            // A document that is plain text, or made of parts, is measured by these.
            Part::Other if tally == Tally::default() => others = 1,
            Part::PlainText => tally += data,
            Part::Other | Part::Unknown => {}
        }
        tally += title;
        tally.others = tally.others.saturating_add(others);
        // Numbers in messages are no token ids.
        tally.token_ids = 0;
        Ok(Measured { kind: Kind::Object, tally, items: 1 })
    }
}

/// Whether the value that comes is not null, nor an empty string.
fn holds_something<'de, A: MapAccess<'de>>(map: &mut A) -> Result<bool, A::Error> {
    Ok(match map.next_value::<Scalar<'de>>()? {
        Scalar::Null => false,
        Scalar::Text(text) => !text.is_empty(),
        _ => true,
    })
}

// === impl Part ===

impl Part {
    /// Of OpenAI's chat and responses, of Anthropic's messages, of vLLM's and SGLang's own parts.
    fn of(part_type: &Scalar<'_>) -> Self {
        let Scalar::Text(name) = part_type else { return Self::Unknown };
        match name.as_ref() {
            "image_url" | "input_image" | "image" | "computer_screenshot" | "image_embeds" => Self::Image,
            "input_audio" | "audio_url" | "audio" | "video_url" | "input_video" | "video" | "file" | "input_file"
            | "document" | "item_reference" | "reasoning" | "container_upload" | "redacted_thinking" => Self::Other,
            "text" => Self::PlainText,
            _ => Self::Unknown,
        }
    }

    fn or(self, other: Self) -> Self {
        if self == Self::Unknown { other } else { self }
    }
}
