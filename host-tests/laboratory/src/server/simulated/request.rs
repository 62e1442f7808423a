//! Requests of a client.

use serde::Deserialize;

/// A chat or text completion.
#[derive(Debug, Deserialize)]
pub(super) struct CompletionRequest {
    pub model: String,
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    prompt: Text,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    #[serde(default)]
    ignore_eos: bool,
    #[serde(default)]
    pub stream: bool,
    #[serde(default)]
    stream_options: StreamOptions,
    n: Option<u32>,
}

/// A request for embeddings.
#[derive(Debug, Deserialize)]
pub(super) struct EmbeddingRequest {
    pub model: String,
    input: Text,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    content: Text,
}

#[derive(Debug, Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// Text in one of the forms that the API allows.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Text {
    #[default]
    Missing,
    One(String),
    Many(Vec<Part>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Part {
    Text(String),
    Token(#[expect(dead_code, reason = "only that it is there counts")] u32),
    Typed {
        #[serde(default)]
        text: String,
    },
}

// === impl CompletionRequest ===

impl CompletionRequest {
    /// Characters of all text in the prompt.
    pub(super) fn prompt_characters(&self) -> usize {
        self.prompt.characters() + self.messages.iter().map(|message| message.content.characters()).sum::<usize>()
    }

    /// Most output tokens that the client takes.
    pub(super) fn output_cap(&self) -> Option<u32> {
        self.max_completion_tokens.or(self.max_tokens)
    }

    /// Returns `true` if the answer goes on to the cap, as vLLM and SGLang have it.
    pub(super) fn ignores_end(&self) -> bool {
        self.ignore_eos
    }

    pub(super) fn include_usage(&self) -> bool {
        self.stream_options.include_usage
    }

    /// Returns `true` if it asks for more than the one choice that is simulated.
    pub(super) fn wants_several_choices(&self) -> bool {
        self.n.is_some_and(|n| n != 1)
    }
}

// === impl EmbeddingRequest ===

impl EmbeddingRequest {
    /// Characters of all inputs.
    pub(super) fn input_characters(&self) -> usize {
        self.input.characters()
    }

    /// Returns the number of vectors that the client expects.
    pub(super) fn inputs(&self) -> usize {
        match &self.input {
            Text::Many(parts) if !parts.iter().any(|part| matches!(part, Part::Token(_))) => parts.len(),
            _ => 1,
        }
    }
}

// === impl Text ===

impl Text {
    fn characters(&self) -> usize {
        match self {
            Self::Missing => 0,
            Self::One(text) => text.chars().count(),
            Self::Many(parts) => parts.iter().map(Part::characters).sum(),
        }
    }
}

// === impl Part ===

impl Part {
    /// A token counts as the characters of a mean one.
    fn characters(&self) -> usize {
        match self {
            Self::Text(text) | Self::Typed { text } => text.chars().count(),
            Self::Token(_) => 4,
        }
    }
}
