//! The top level of a request's body: which field is read how, and which of its types are refused.

use super::content::Measured;
use super::parameters::Parameters;
use super::shape::ValueShape;
use super::{Ask, BodyError, CHOICES_MAX, PromptSize, ResponseId};
use crate::protocol::endpoint::Endpoint;
use crate::protocol::json::{JsonKind, Scalar};

/// The fields that matter, as they are. None of them is judged before the end: only the last of
/// duplicates counts.
#[derive(Debug, Default)]
pub(super) struct Fields {
    model: Scalar,
    max_tokens: Scalar,
    max_completion_tokens: Scalar,
    max_output_tokens: Scalar,
    n: Scalar,
    best_of: Scalar,
    stream: Scalar,
    /// References to stored conversations from which the request goes on.
    stored: [Scalar; 2],
    cache_salt: Scalar,
    /// SGLang's and TGI's parameters.
    pub(super) parameters: Parameters,
    messages: Measured,
    system: Measured,
    prompt: Measured,
    input: Measured,
    instructions: Measured,
    /// Texts that a template writes into the prompt beside these: definitions of tools, documents,
    /// what follows a gap.
    beside: [Measured; 5],
    /// The texts of rerankers and classifiers.
    texts: [Measured; 6],
}

/// A key of the top level that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Model,
    MaxTokens,
    MaxCompletionTokens,
    MaxOutputTokens,
    /// TGI's and SGLang's, and llama-server's.
    MaxNewTokens,
    N,
    BestOf,
    Stream,
    CacheSalt,
    PreviousResponseId,
    Conversation,
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
    /// Scores have a left side and a right one.
    Text1,
    Text2,
    Inputs,
    InputIds,
}

// === impl Field ===

impl Field {
    /// A key's, if `endpoint` has anything to say by it.
    pub(super) fn of(key: &[u8], endpoint: Endpoint) -> Option<Self> {
        let field = match key {
            b"model" => Self::Model,
            b"max_tokens" => Self::MaxTokens,
            b"max_completion_tokens" => Self::MaxCompletionTokens,
            b"max_output_tokens" => Self::MaxOutputTokens,
            b"max_new_tokens" | b"n_predict" => Self::MaxNewTokens,
            b"n" => Self::N,
            b"best_of" => Self::BestOf,
            b"stream" => Self::Stream,
            b"cache_salt" => Self::CacheSalt,
            b"previous_response_id" => Self::PreviousResponseId,
            b"conversation" => Self::Conversation,
            b"sampling_params" | b"parameters" => Self::SamplingParams,
            b"messages" => Self::Messages,
            b"system" => Self::System,
            b"prompt" => Self::Prompt,
            b"input" => Self::Input,
            b"instructions" => Self::Instructions,
            b"tools" => Self::Tools,
            b"functions" => Self::Functions,
            b"documents" => Self::Documents,
            b"suffix" => Self::Suffix,
            b"query" => Self::Query,
            b"queries" => Self::Queries,
            b"texts" => Self::Texts,
            b"text" => Self::Text,
            b"text_1" | b"data_1" | b"queries_1" => Self::Text1,
            b"text_2" | b"data_2" | b"items" => Self::Text2,
            b"inputs" => Self::Inputs,
            b"input_ids" => Self::InputIds,
            _ => return None,
        };
        (!field.is_of_prompts() || field.is_prompt_of(endpoint)).then_some(field)
    }

    pub(super) fn shape(self, endpoint: Endpoint) -> ValueShape {
        match self {
            Self::SamplingParams => ValueShape::Parameters,
            Self::Tools | Self::Functions => ValueShape::Json,
            Self::Documents | Self::Query | Self::Queries | Self::Texts | Self::Text1 | Self::Text2 => {
                ValueShape::Measured { all_keys: true }
            }
            // A prompt that the server stores, of which only the variables are here.
            Self::Prompt => ValueShape::Measured { all_keys: endpoint == Endpoint::Responses },
            Self::Messages
            | Self::System
            | Self::Input
            | Self::Instructions
            | Self::Suffix
            | Self::Text
            | Self::Inputs
            | Self::InputIds => ValueShape::Measured { all_keys: false },
            Self::Model
            | Self::MaxTokens
            | Self::MaxCompletionTokens
            | Self::MaxOutputTokens
            | Self::MaxNewTokens
            | Self::N
            | Self::BestOf
            | Self::Stream
            | Self::CacheSalt
            | Self::PreviousResponseId
            | Self::Conversation => ValueShape::Scalar,
        }
    }

    /// Returns `true` if it holds a prompt, or a part of one, for some endpoint.
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
                | Self::CacheSalt
        )
    }

    /// Returns `true` if `endpoint` has its prompt, or a part of it, in this field.
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

impl Fields {
    /// The value of a field that is a scalar has come.
    pub(super) fn set_scalar(&mut self, field: Field, value: Scalar) {
        match field {
            Field::Model => self.model = value,
            Field::MaxTokens => self.max_tokens = value,
            Field::MaxCompletionTokens => self.max_completion_tokens = value,
            Field::MaxOutputTokens | Field::MaxNewTokens => self.max_output_tokens = value,
            Field::N => self.n = value,
            Field::BestOf => self.best_of = value,
            Field::Stream => self.stream = value,
            Field::CacheSalt => self.cache_salt = value,
            Field::PreviousResponseId => self.stored[0] = value,
            Field::Conversation => self.stored[1] = value,
            _ => {}
        }
    }

    /// A field's value has come and was measured.
    pub(super) fn set_measured(&mut self, field: Field, endpoint: Endpoint, value: Measured) {
        let [tools, functions, documents, suffix, template] = &mut self.beside;
        let [query, queries, texts, text_1, text_2, text] = &mut self.texts;
        match field {
            Field::Messages => self.messages = value,
            Field::System => self.system = value,
            Field::Prompt if endpoint == Endpoint::Responses => {
                *template = value;
                if template.kind == JsonKind::Object {
                    template.tally.others = template.tally.others.saturating_add(1);
                }
            }
            Field::Prompt => self.prompt = value,
            Field::Input | Field::Inputs | Field::InputIds => self.input = value,
            Field::Instructions => self.instructions = value,
            Field::Tools => *tools = value,
            Field::Functions => *functions = value,
            Field::Documents => *documents = value,
            Field::Suffix => *suffix = value,
            Field::Query => *query = value,
            Field::Queries => *queries = value,
            Field::Texts => *texts = value,
            Field::Text1 => *text_1 = value,
            Field::Text2 => *text_2 = value,
            Field::Text => *text = value,
            _ => {}
        }
    }

    /// The names of what is cached apart, whatever the prompt: of the model or adapter, of a salt,
    /// of a conversation that the server stores.
    pub(super) fn identity(&self) -> [&str; 4] {
        let [response, conversation] = &self.stored;
        [&self.model, &self.cache_salt, response, conversation].map(|name| match name {
            Scalar::Text(name) => name.as_str(),
            _ => "",
        })
    }

    /// Returns the request that the fields make, or the first of them that is refused.
    pub(super) fn judge(self, endpoint: Endpoint) -> Result<Ask, BodyError> {
        if endpoint != Endpoint::Any {
            expect_kind("messages", &self.messages, &[JsonKind::Array], "an array of messages")?;
            expect_kind("prompt", &self.prompt, &[JsonKind::String, JsonKind::Array], "a string or an array")?;
            expect_kind("input", &self.input, &[JsonKind::String, JsonKind::Array], "a string or an array")?;
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
            previous_response: ResponseId::of_field(&self.stored[0]),
            heads: Default::default(),
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
        let is_set = |field: &Measured| u32::from(field.kind != JsonKind::Null);
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
fn name(field: &'static str, value: Scalar) -> Result<Option<String>, BodyError> {
    match value {
        Scalar::Null => Ok(None),
        Scalar::Text(name) => Ok(Some(name).filter(|name| !name.is_empty())),
        other => Err(BodyError::WrongType { field, found: other.kind(), expected: "a string" }),
    }
}

/// A number of at least 1; less is as if it were absent.
fn positive(field: &'static str, value: &Scalar) -> Result<Option<u32>, BodyError> {
    Ok(limit(field, value)?.filter(|number| *number > 0))
}

/// A number, rounded down and saturating; less than zero is as if it were absent, since that is how
/// servers write "no limit". Digits in a string are a number, as they are to servers that validate
/// with pydantic.
fn limit(field: &'static str, value: &Scalar) -> Result<Option<u32>, BodyError> {
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
    allowed: &[JsonKind],
    expected: &'static str,
) -> Result<(), BodyError> {
    if value.kind == JsonKind::Null || allowed.contains(&value.kind) {
        return Ok(());
    }
    Err(BodyError::WrongType { field, found: value.kind, expected })
}
