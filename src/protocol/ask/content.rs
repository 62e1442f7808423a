//! Measures texts, images and what cannot be measured wherever a request's content holds them.

use std::ops::AddAssign;

use super::shape::ValueShape;
use super::text::sum;
use crate::protocol::json::{JsonKind, Scalar};

/// Sums over a value and all within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) characters: u64,
    pub(super) images: u32,
    /// Parts whose length nothing here tells: audio, video, files, what the server stores.
    pub(super) others: u32,
    /// Tokens of all texts; `None` once there is a text whose tokens were not counted.
    pub(super) text_tokens: Option<u32>,
    /// Numbers within arrays, which are token ids where prompts may be token ids.
    pub(super) token_ids: u32,
}

/// A value's kind and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) kind: JsonKind,
    pub(super) tally: Tally,
    /// Messages, items or prompts: what an array holds other than token ids; 1 for a string or an
    /// object.
    pub(super) items: u32,
}

/// A message, part, block or tool call, as far as it has come: an object whose texts count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ContentObject {
    /// The key of what comes.
    key: PartKey,
    /// Arrays around it, within the object around it.
    pub(super) arrays: u32,
    tally: Tally,
    title: Tally,
    data: Tally,
    part: Part,
    has_other: bool,
}

/// The keys of such an object that matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum PartKey {
    /// Text, and what holds it: of parts, messages, tool calls and their results, reasoning,
    /// documents.
    Text,
    /// Name of a document or a speaker.
    Title,
    /// The arguments of Anthropic's tool calls.
    Input,
    /// Source of Anthropic's images and documents.
    Source,
    /// The text of such a source, or what is encoded in base64.
    Data,
    Type,
    ImageUrl,
    /// Sound, films and files, whether or not a part also says so by its type; and what only the
    /// server can read.
    Sound,
    /// The role of who speaks.
    Role,
    /// Labels, which no template writes as they are.
    Label,
    #[default]
    Other,
}

/// Kind of a part by its type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    Image,
    /// It cannot be measured.
    Other,
    /// Of a source: its data is text.
    PlainText,
    #[default]
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
        self.text_tokens = sum(self.text_tokens, other.text_tokens);
        self.token_ids = self.token_ids.saturating_add(other.token_ids);
    }
}

impl Tally {
    /// The tokens of everything, if they are known of everything. `None` also where there is
    /// nothing to count.
    pub(super) fn exact_tokens(&self) -> Option<u32> {
        self.text_tokens.map(|tokens| tokens.saturating_add(self.token_ids)).filter(|&tokens| tokens > 0)
    }

    pub(super) fn add_text(&mut self, characters: usize, tokens: Option<u32>) {
        self.characters = self.characters.saturating_add(u64::try_from(characters).unwrap_or(u64::MAX));
        self.text_tokens = sum(self.text_tokens, tokens);
    }

    pub(super) fn add_token_id(&mut self) {
        self.token_ids = self.token_ids.saturating_add(1);
    }
}

// === impl ContentObject ===

impl ContentObject {
    /// One in so many arrays.
    pub(super) fn within(arrays: u32) -> Self {
        Self { arrays, ..Self::default() }
    }

    /// A key came.
    pub(super) fn enter(&mut self, name: &[u8]) {
        self.key = PartKey::of(name);
        if self.key == PartKey::Data {
            self.data = Tally::default();
        }
    }

    /// The way the value of the key is read; `None` where it does not matter.
    pub(super) fn shape(&self, all_keys: bool) -> Option<ValueShape> {
        match self.key {
            PartKey::Text | PartKey::Source | PartKey::Title | PartKey::Data => Some(ValueShape::Measured { all_keys }),
            PartKey::Other if all_keys => Some(ValueShape::Measured { all_keys }),
            PartKey::Input => Some(ValueShape::Json),
            PartKey::Type | PartKey::ImageUrl | PartKey::Sound | PartKey::Role => Some(ValueShape::Scalar),
            PartKey::Label | PartKey::Other => None,
        }
    }

    /// Returns `true` if the value of the key is an image or a file, or says where that is.
    pub(super) fn is_attachment(&self) -> bool {
        matches!(self.key, PartKey::ImageUrl | PartKey::Sound | PartKey::Data)
    }

    /// Returns `true` if the value of the key says who speaks.
    pub(super) fn is_role(&self) -> bool {
        self.key == PartKey::Role
    }

    /// The sums that the value of the key is added to.
    pub(super) fn tally(&mut self) -> &mut Tally {
        match self.key {
            PartKey::Title => &mut self.title,
            PartKey::Data => &mut self.data,
            _ => &mut self.tally,
        }
    }

    /// The value of the key says of what kind this is.
    pub(super) fn tell(&mut self, value: &Scalar) {
        let holds_something = match value {
            Scalar::Null => false,
            Scalar::Text(text) => !text.is_empty(),
            _ => true,
        };
        match self.key {
            PartKey::Type => self.part = Part::of(value),
            PartKey::ImageUrl if holds_something => self.part = self.part.or(Part::Image),
            PartKey::Sound if holds_something => self.has_other = true,
            _ => {}
        }
    }

    /// All of it has come.
    pub(super) fn measure(self) -> Tally {
        let Self { mut tally, mut has_other, .. } = self;
        match self.part {
            Part::Image => tally.images = tally.images.saturating_add(1),
            // A document that is plain text, or made of parts, is measured by these.
            Part::Other if tally == Tally::default() => has_other = true,
            Part::PlainText => tally += self.data,
            Part::Other | Part::Unknown => {}
        }
        tally += self.title;
        tally.others = tally.others.saturating_add(u32::from(has_other));
        // Numbers in messages are no token ids.
        tally.token_ids = 0;
        tally
    }
}

// === impl PartKey ===

impl PartKey {
    fn of(name: &[u8]) -> Self {
        match name {
            b"text" | b"arguments" | b"content" | b"function" | b"function_call" | b"output" | b"reasoning"
            | b"reasoning_content" | b"refusal" | b"summary" | b"thinking" | b"tool_calls" => Self::Text,
            b"title" | b"context" | b"name" => Self::Title,
            b"input" => Self::Input,
            b"source" => Self::Source,
            b"data" => Self::Data,
            b"type" => Self::Type,
            b"image_url" | b"image" | b"input_image" => Self::ImageUrl,
            b"sound" | b"audio" | b"audio_url" | b"encrypted_content" | b"file" | b"file_data" | b"file_id"
            | b"file_url" | b"input_audio" | b"video" | b"video_url" => Self::Sound,
            b"role" => Self::Role,
            b"id" | b"tool_call_id" | b"call_id" | b"cache_control" | b"signature" => Self::Label,
            _ => Self::Other,
        }
    }
}

// === impl Part ===

impl Part {
    /// Of OpenAI's chat and responses, of Anthropic's messages, of vLLM's and SGLang's own parts.
    fn of(part_type: &Scalar) -> Self {
        let Scalar::Text(name) = part_type else { return Self::Unknown };
        match name.as_str() {
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
