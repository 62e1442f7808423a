//! Measures texts and images wherever a request's content holds them.

use std::fmt;
use std::ops::AddAssign;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::protocol::json::{Kind, Scalar};
use crate::protocol::tokens::TokenCounter;

/// Sums over a value and all within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) characters: u64,
    pub(super) images: u32,
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
/// array of these, token ids. Message, content part and block are one to it: an object whose texts count.
#[derive(Clone, Copy)]
pub(super) struct Measure<'a>(pub(super) Option<&'a dyn TokenCounter>);

/// The keys of a message, part or block that matter.
#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    /// The text of a part.
    Text,
    /// A message's content; the content of Anthropic's tool results.
    Content,
    /// The result of a function call among the items of a response.
    Output,
    Type,
    #[serde(other)]
    Other,
}

// === impl Tally ===

impl Default for Tally {
    fn default() -> Self {
        Self { characters: 0, images: 0, text_tokens: Some(0), token_ids: 0 }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.characters = self.characters.saturating_add(other.characters);
        self.images = self.images.saturating_add(other.images);
        self.text_tokens = self.text_tokens.zip(other.text_tokens).map(|(a, b)| a.saturating_add(b));
        self.token_ids = self.token_ids.saturating_add(other.token_ids);
    }
}

impl Tally {
    /// The tokens of everything, if they are known of everything. `None` also where there is nothing to count.
    pub(super) fn exact_tokens(&self) -> Option<u32> {
        self.text_tokens.map(|tokens| tokens.saturating_add(self.token_ids)).filter(|&tokens| tokens > 0)
    }
}

// === impl Measured ===

impl Measured {
    fn of(kind: Kind) -> Self {
        Self { kind, ..Self::default() }
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
        let text_tokens = if text.is_empty() { Some(0) } else { self.0.and_then(|counter| counter.tokens_of(text)) };
        let tally = Tally { characters, text_tokens, ..Tally::default() };
        Ok(Measured { kind: Kind::String, tally, items: 1 })
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
        let (mut text, mut content, mut output) = (Tally::default(), Tally::default(), Tally::default());
        let mut images = 0;
        while let Some(key) = map.next_key()? {
            match key {
                Key::Text => text = map.next_value_seed(self)?.tally,
                Key::Content => content = map.next_value_seed(self)?.tally,
                Key::Output => output = map.next_value_seed(self)?.tally,
                Key::Type => images = u32::from(names_an_image(&map.next_value()?)),
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let mut tally = Tally { images, ..text };
        tally += content;
        tally += output;
        Ok(Measured { kind: Kind::Object, tally, items: 1 })
    }
}

/// Whether a part of this type is an image: of OpenAI's chat, of its responses, of Anthropic's messages.
fn names_an_image(part_type: &Scalar<'_>) -> bool {
    matches!(part_type, Scalar::Text(name) if matches!(name.as_ref(), "image_url" | "input_image" | "image"))
}
