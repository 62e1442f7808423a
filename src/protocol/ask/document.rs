//! The top level of a request's body: which field is read how, and which of its types are refused.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::content::{Measure, Measured};
use super::{Ask, BodyError, CHOICES_MAX, PromptSize};
use crate::protocol::endpoint::Endpoint;
use crate::protocol::json::{Kind, Scalar};
use crate::protocol::tokens::TokenCounter;

/// Reads a request's body into its [`Fields`].
pub(super) struct Document<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) counter: Option<&'a dyn TokenCounter>,
}

/// The fields that matter, as they are. None of them is judged before the end: only the last of duplicates counts.
#[derive(Default)]
pub(super) struct Fields<'de> {
    model: Scalar<'de>,
    max_tokens: Scalar<'de>,
    max_completion_tokens: Scalar<'de>,
    max_output_tokens: Scalar<'de>,
    n: Scalar<'de>,
    stream: Scalar<'de>,
    messages: Measured,
    system: Measured,
    prompt: Measured,
    input: Measured,
    instructions: Measured,
}

#[derive(Clone, Copy, serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Model,
    MaxTokens,
    MaxCompletionTokens,
    MaxOutputTokens,
    N,
    Stream,
    Messages,
    System,
    Prompt,
    Input,
    Instructions,
    #[serde(other)]
    Other,
}

// === impl Document ===

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = Fields<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        let measure = Measure(self.counter);
        while let Some(field) = map.next_key::<Field>()? {
            match field {
                Field::Model => fields.model = map.next_value()?,
                Field::MaxTokens => fields.max_tokens = map.next_value()?,
                Field::MaxCompletionTokens => fields.max_completion_tokens = map.next_value()?,
                Field::MaxOutputTokens => fields.max_output_tokens = map.next_value()?,
                Field::N => fields.n = map.next_value()?,
                Field::Stream => fields.stream = map.next_value()?,
                Field::Messages if field.is_prompt_of(self.endpoint) => {
                    fields.messages = map.next_value_seed(measure)?
                }
                Field::System if field.is_prompt_of(self.endpoint) => fields.system = map.next_value_seed(measure)?,
                Field::Prompt if field.is_prompt_of(self.endpoint) => fields.prompt = map.next_value_seed(measure)?,
                Field::Input if field.is_prompt_of(self.endpoint) => fields.input = map.next_value_seed(measure)?,
                Field::Instructions if field.is_prompt_of(self.endpoint) => {
                    fields.instructions = map.next_value_seed(measure)?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(fields)
    }
}

// === impl Field ===

impl Field {
    /// Whether `endpoint` has its prompt in this field.
    fn is_prompt_of(self, endpoint: Endpoint) -> bool {
        use Endpoint::{Any, ChatCompletions, Completions, Embeddings, Messages, Responses};
        match self {
            // vLLM embeds conversations too.
            Self::Messages => matches!(endpoint, ChatCompletions | Messages | Embeddings | Any),
            Self::System => matches!(endpoint, Messages | Any),
            Self::Prompt => matches!(endpoint, Completions | Any),
            Self::Input => matches!(endpoint, Embeddings | Responses | Any),
            Self::Instructions => matches!(endpoint, Responses | Any),
            _ => false,
        }
    }
}

// === impl Fields ===

impl Fields<'_> {
    /// What the fields ask for, or the first of them that is refused.
    pub(super) fn judge(self, endpoint: Endpoint) -> Result<Ask, BodyError> {
        if endpoint != Endpoint::Any {
            expect_kind("messages", &self.messages, &[Kind::Array], "an array of messages")?;
            expect_kind("prompt", &self.prompt, &[Kind::String, Kind::Array], "a string or an array")?;
            expect_kind("input", &self.input, &[Kind::String, Kind::Array], "a string or an array")?;
        }
        let max_output_tokens = [
            positive("max_tokens", &self.max_tokens)?,
            positive("max_completion_tokens", &self.max_completion_tokens)?,
            positive("max_output_tokens", &self.max_output_tokens)?,
        ];
        // Each prompt of a batch is answered `n` times.
        let prompts = if endpoint == Endpoint::Completions { self.prompt.items.max(1) } else { 1 };
        let choices = positive("n", &self.n)?.unwrap_or(1).saturating_mul(prompts).min(CHOICES_MAX);
        let prompt = self.prompt_size(endpoint);
        Ok(Ask {
            model: name("model", self.model)?,
            prompt,
            max_output_tokens: max_output_tokens.into_iter().flatten().min(),
            choices,
            stream: self.stream == Scalar::Boolean(true),
        })
    }

    fn prompt_size(&self, endpoint: Endpoint) -> PromptSize {
        let mut tally = self.prompt.tally;
        tally += self.input.tally;
        // Numbers are token ids in a prompt or an input, and nothing in a message.
        let token_ids = tally.token_ids;
        for wrapped in [&self.messages, &self.system, &self.instructions] {
            tally += wrapped.tally;
        }
        tally.token_ids = token_ids;
        let is_set = |field: &Measured| u32::from(field.kind != Kind::Null);
        let items = if endpoint == Endpoint::Responses { self.input.items } else { 0 };
        let messages = [self.messages.items, items, is_set(&self.system), is_set(&self.instructions)];
        PromptSize {
            characters: tally.characters,
            images: tally.images,
            messages: messages.into_iter().fold(0, u32::saturating_add),
            tokens: tally.exact_tokens(),
        }
    }
}

/// A name; none where it is absent, null or empty.
fn name(field: &'static str, value: Scalar<'_>) -> Result<Option<String>, BodyError> {
    match value {
        Scalar::Null => Ok(None),
        Scalar::Text(name) => Ok(Some(name.into_owned()).filter(|name| !name.is_empty())),
        other => Err(BodyError::WrongType { field, found: other.kind(), expected: "a string" }),
    }
}

/// A number of at least 1, rounded down and saturating; less is as if it were absent, since that is how servers
/// write "no limit". Digits in a string are a number, as they are to servers that validate with pydantic.
fn positive(field: &'static str, value: &Scalar<'_>) -> Result<Option<u32>, BodyError> {
    let number = match value {
        Scalar::Null => return Ok(None),
        Scalar::Number(number) => Some(*number),
        Scalar::Text(digits) => digits.trim().parse::<i64>().ok().map(|number| number as f64),
        Scalar::Boolean(_) | Scalar::Array | Scalar::Object => None,
    };
    let wrong = BodyError::WrongType { field, found: value.kind(), expected: "a whole number" };
    let number = number.ok_or(wrong)?;
    Ok((number >= 1.0).then_some(number as u32))
}

fn expect_kind(
    field: &'static str,
    value: &Measured,
    allowed: &[Kind],
    expected: &'static str,
) -> Result<(), BodyError> {
    if value.kind == Kind::Null || allowed.contains(&value.kind) {
        return Ok(());
    }
    Err(BodyError::WrongType { field, found: value.kind, expected })
}
