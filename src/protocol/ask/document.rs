//! The top level of a request's body: which field is read how, and which of its types are refused.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::content::{Measure, MeasureJson, Measured};
use super::parameters::Parameters;
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
    best_of: Scalar<'de>,
    stream: Scalar<'de>,
    /// Where it goes on from what the server stores.
    stored: [Scalar<'de>; 2],
    /// SGLang's and TGI's parameters.
    parameters: Parameters,
    messages: Measured,
    system: Measured,
    prompt: Measured,
    input: Measured,
    instructions: Measured,
    /// What a template writes into the prompt beside these: definitions of tools, documents, what follows a gap.
    beside: [Measured; 5],
    /// The texts of rerankers and classifiers.
    texts: [Measured; 6],
}

#[derive(Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Model,
    MaxTokens,
    MaxCompletionTokens,
    MaxOutputTokens,
    // TGI's and SGLang's, and llama-server's.
    #[serde(alias = "n_predict")]
    MaxNewTokens,
    N,
    BestOf,
    Stream,
    PreviousResponseId,
    Conversation,
    #[serde(alias = "parameters")]
    SamplingParams,
    Messages,
    System,
    Prompt,
    Input,
    Instructions,
    Tools,
    Functions,
    Documents,
    Suffix,
    Query,
    Queries,
    Texts,
    Text,
    // Scores have a left side and a right one.
    #[serde(rename = "text_1", alias = "data_1", alias = "queries_1")]
    Text1,
    #[serde(rename = "text_2", alias = "data_2", alias = "items")]
    Text2,
    Inputs,
    InputIds,
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
        let measure = Measure { counter: self.counter, all_keys: false };
        let measure_all = Measure { all_keys: true, ..measure };
        let measure_json = MeasureJson(self.counter);
        while let Some(field) = map.next_key::<Field>()? {
            if field.is_of_prompts() && !field.is_prompt_of(self.endpoint) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let [tools, functions, documents, suffix, template] = &mut fields.beside;
            let [query, queries, texts, text_1, text_2, text] = &mut fields.texts;
            match field {
                Field::Model => fields.model = map.next_value()?,
                Field::MaxTokens => fields.max_tokens = map.next_value()?,
                Field::MaxCompletionTokens => fields.max_completion_tokens = map.next_value()?,
                Field::MaxOutputTokens | Field::MaxNewTokens => fields.max_output_tokens = map.next_value()?,
                Field::N => fields.n = map.next_value()?,
                Field::BestOf => fields.best_of = map.next_value()?,
                Field::Stream => fields.stream = map.next_value()?,
                Field::PreviousResponseId => fields.stored[0] = map.next_value()?,
                Field::Conversation => fields.stored[1] = map.next_value()?,
                Field::SamplingParams => fields.parameters = map.next_value()?,
                Field::Messages => fields.messages = map.next_value_seed(measure)?,
                Field::System => fields.system = map.next_value_seed(measure)?,
                // A prompt that the server stores, of which only the variables are here.
                Field::Prompt if self.endpoint == Endpoint::Responses => {
                    *template = map.next_value_seed(measure_all)?;
                    if template.kind == Kind::Object {
                        template.tally.others = template.tally.others.saturating_add(1);
                    }
                }
                Field::Prompt => fields.prompt = map.next_value_seed(measure)?,
                Field::Input | Field::Inputs | Field::InputIds => fields.input = map.next_value_seed(measure)?,
                Field::Instructions => fields.instructions = map.next_value_seed(measure)?,
                Field::Tools => *tools = map.next_value_seed(measure_json)?,
                Field::Functions => *functions = map.next_value_seed(measure_json)?,
                Field::Documents => *documents = map.next_value_seed(measure_all)?,
                Field::Suffix => *suffix = map.next_value_seed(measure)?,
                Field::Query => *query = map.next_value_seed(measure_all)?,
                Field::Queries => *queries = map.next_value_seed(measure_all)?,
                Field::Texts => *texts = map.next_value_seed(measure_all)?,
                Field::Text1 => *text_1 = map.next_value_seed(measure_all)?,
                Field::Text2 => *text_2 = map.next_value_seed(measure_all)?,
                Field::Text => *text = map.next_value_seed(measure)?,
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(fields)
    }
}

// === impl Field ===

impl Field {
    /// Whether it holds a prompt, or a part of one, for some endpoint.
    fn is_of_prompts(self) -> bool {
        !matches!(
            self,
            Self::Model
                | Self::MaxTokens
                | Self::MaxCompletionTokens
                | Self::MaxOutputTokens
                | Self::N
                | Self::BestOf
                | Self::Stream
                | Self::Other
        )
    }

    /// Whether `endpoint` has its prompt, or a part of it, in this field.
    fn is_prompt_of(self, endpoint: Endpoint) -> bool {
        use Endpoint::{Any, ChatCompletions, Completions, Embeddings, Messages, Pooling, Responses};
        match self {
            // vLLM embeds conversations too.
            Self::Messages => matches!(endpoint, ChatCompletions | Messages | Embeddings | Pooling | Any),
            Self::System => matches!(endpoint, Messages | Any),
            Self::Prompt => matches!(endpoint, Completions | Responses | Pooling | Any),
            Self::Input => matches!(endpoint, Embeddings | Responses | Pooling | Any),
            Self::Instructions | Self::PreviousResponseId | Self::Conversation => matches!(endpoint, Responses | Any),
            Self::Tools => matches!(endpoint, ChatCompletions | Messages | Responses | Any),
            Self::Functions => matches!(endpoint, ChatCompletions | Any),
            Self::Documents => matches!(endpoint, ChatCompletions | Pooling | Any),
            Self::Suffix => matches!(endpoint, Completions | Any),
            Self::Query | Self::Queries | Self::Texts | Self::Text1 | Self::Text2 => matches!(endpoint, Pooling | Any),
            Self::Text | Self::Inputs => matches!(endpoint, Pooling | Any),
            Self::InputIds | Self::SamplingParams => endpoint == Any,
            // llama-server takes its own name on every path.
            Self::MaxNewTokens => matches!(endpoint, ChatCompletions | Completions | Any),
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
            limit("max_tokens", &self.max_tokens)?,
            limit("max_completion_tokens", &self.max_completion_tokens)?,
            limit("max_output_tokens", &self.max_output_tokens)?,
            self.parameters.max_new_tokens,
        ];
        // Each prompt of a batch is answered `n` times.
        let prompts = match endpoint {
            Endpoint::Completions => self.prompt.items.max(1),
            Endpoint::Any => {
                [&self.prompt, &self.text(), &self.input].map(|field| field.items).into_iter().fold(1, u32::max)
            }
            _ => 1,
        };
        let n = positive("n", &self.n)?.or(self.parameters.n).unwrap_or(1);
        let best_of = positive("best_of", &self.best_of)?.or(self.parameters.best_of).unwrap_or(1);
        let choices_of = |outputs: u32| outputs.saturating_mul(prompts).clamp(1, CHOICES_MAX);
        let prompt = self.prompt_size(endpoint);
        Ok(Ask {
            model: name("model", self.model)?,
            prompt,
            max_output_tokens: max_output_tokens.into_iter().flatten().min(),
            choices: choices_of(n.max(best_of)),
            answered_choices: choices_of(n),
            stream: self.stream == Scalar::Boolean(true),
        })
    }

    fn text(&self) -> Measured {
        self.texts.last().copied().unwrap_or_default()
    }

    fn prompt_size(&self, endpoint: Endpoint) -> PromptSize {
        let mut tally = self.prompt.tally;
        tally += self.input.tally;
        tally += self.text().tally;
        // Numbers are token ids in a prompt or an input, and nothing in a message.
        let token_ids = tally.token_ids;
        let texts = self.texts.iter().take(self.texts.len().saturating_sub(1));
        for wrapped in [&self.messages, &self.system, &self.instructions].into_iter().chain(&self.beside).chain(texts) {
            tally += wrapped.tally;
        }
        tally.token_ids = token_ids;
        let stored = self.stored.iter().filter(|field| !matches!(field, Scalar::Null)).count();
        tally.others = tally.others.saturating_add(u32::try_from(stored).unwrap_or_default());
        let is_set = |field: &Measured| u32::from(field.kind != Kind::Null);
        let items = if endpoint == Endpoint::Responses { self.input.items } else { 0 };
        let messages = [self.messages.items, items, is_set(&self.system), is_set(&self.instructions)];
        PromptSize {
            characters: tally.characters,
            images: tally.images,
            others: tally.others,
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

/// A number of at least 1; less is as if it were absent.
fn positive(field: &'static str, value: &Scalar<'_>) -> Result<Option<u32>, BodyError> {
    Ok(limit(field, value)?.filter(|number| *number > 0))
}

/// A number, rounded down and saturating; less than zero is as if it were absent, since that is how servers write "no
/// limit". Digits in a string are a number, as they are to servers that validate with pydantic.
fn limit(field: &'static str, value: &Scalar<'_>) -> Result<Option<u32>, BodyError> {
    let number = match value {
        Scalar::Null => return Ok(None),
        Scalar::Number(number) => Some(*number),
        Scalar::Text(digits) => digits.trim().parse::<i64>().ok().map(|number| number as f64),
        Scalar::Boolean(_) | Scalar::Array | Scalar::Object => None,
    };
    let wrong = BodyError::WrongType { field, found: value.kind(), expected: "a whole number" };
    let number = number.ok_or(wrong)?;
    Ok((number >= 0.0).then_some(number as u32))
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
