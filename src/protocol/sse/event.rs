//! What one event of a stream tells: whether it carries output, and usage.
//!
//! One reader for all dialects, by what they have in common:
//! - OpenAI's chat and completions, with vLLM, SGLang and TensorRT-LLM: `choices[].delta` or `choices[].text`, `usage`;
//! - OpenAI's responses: `type` ends in `.delta` and `delta` is a string, `response.usage`;
//! - Anthropic's messages: `type` is `content_block_delta` and `delta` an object, `message.usage`, `usage`.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::protocol::json::{Scalar, skip};
use crate::protocol::usage::UsageParts;

/// What one event tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) is_output: bool,
    pub(super) usage: UsageParts,
}

/// Whether there is any text within a value, apart from what only labels it (`role`, `type`).
#[derive(Default)]
struct HasText(bool);

/// Whether a choice has output; also any of an array of choices.
#[derive(Default)]
struct HasOutput(bool);

/// The usage of an object that has one.
#[derive(Default)]
struct Carrier(UsageParts);

// === impl Event ===

impl Event {
    /// From an event's data.
    pub(super) fn read(data: &[u8]) -> Self {
        serde_json::from_slice(data).unwrap_or(Self::unreadable())
    }

    /// An event that nothing is known of.
    pub(super) fn unreadable() -> Self {
        Self { is_output: true, usage: UsageParts::default() }
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "snake_case")]
        enum Field {
            Type,
            Choices,
            Delta,
            Usage,
            Response,
            Message,
            #[serde(other)]
            Other,
        }
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Event;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
                let mut usage = UsageParts::default();
                let (mut event_type, mut delta, mut choices) = (Scalar::Null, HasText(false), HasOutput(false));
                while let Some(field) = map.next_key()? {
                    match field {
                        Field::Type => event_type = map.next_value()?,
                        Field::Choices => choices = map.next_value()?,
                        Field::Delta => delta = map.next_value()?,
                        Field::Usage => usage = usage.then(map.next_value()?),
                        Field::Response | Field::Message => usage = usage.then(map.next_value::<Carrier>()?.0),
                        Field::Other => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                let is_delta = matches!(&event_type, Scalar::Text(name) if name == "content_block_delta" || name.ends_with(".delta"));
                Ok(Event { is_output: choices.0 || is_delta && delta.0, usage })
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

// === impl HasText ===

impl<'de> Deserialize<'de> for HasText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "snake_case")]
        enum Field {
            Role,
            Type,
            #[serde(other)]
            Other,
        }
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = HasText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a delta")
            }
            skip!(null, boolean, number);
            fn visit_str<E>(self, text: &str) -> Result<HasText, E> {
                Ok(HasText(!text.is_empty()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<HasText, A::Error> {
                let mut any = false;
                while let Some(HasText(has)) = seq.next_element()? {
                    any |= has;
                }
                Ok(HasText(any))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HasText, A::Error> {
                let mut any = false;
                while let Some(field) = map.next_key()? {
                    match field {
                        Field::Role | Field::Type => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        Field::Other => any |= map.next_value::<HasText>()?.0,
                    }
                }
                Ok(HasText(any))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

// === impl HasOutput ===

impl<'de> Deserialize<'de> for HasOutput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "snake_case")]
        enum Field {
            Text,
            Delta,
            #[serde(other)]
            Other,
        }
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = HasOutput;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("choices")
            }
            skip!(null, boolean, number, string);
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<HasOutput, A::Error> {
                let mut any = false;
                while let Some(HasOutput(has)) = seq.next_element()? {
                    any |= has;
                }
                Ok(HasOutput(any))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HasOutput, A::Error> {
                let mut any = false;
                while let Some(field) = map.next_key()? {
                    match field {
                        Field::Text | Field::Delta => any |= map.next_value::<HasText>()?.0,
                        Field::Other => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(HasOutput(any))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

// === impl Carrier ===

impl<'de> Deserialize<'de> for Carrier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "snake_case")]
        enum Field {
            Usage,
            #[serde(other)]
            Other,
        }
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Carrier;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a response or a message")
            }
            skip!(null, boolean, number, string, array);
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Carrier, A::Error> {
                let mut usage = UsageParts::default();
                while let Some(field) = map.next_key()? {
                    match field {
                        Field::Usage => usage = map.next_value()?,
                        Field::Other => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(Carrier(usage))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
