//! Content of prompts, as far as it matters: which of them begin alike.

/// A prompt by its tokens; what they say matters to servers that [keep blocks](super::Behaviour::keeps_blocks) alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Number of tokens.
    pub tokens: u32,
    /// Content of the tokens; `None` of a prompt that begins like no other.
    pub content: Option<Content>,
}

/// The text that a prompt is the beginning of, and its answer the continuation: a system prompt that others have too, then a
/// conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Content {
    /// Number of the system prompt.
    pub system: u32,
    /// Length of the system prompt, tokens.
    pub system_tokens: u32,
    /// Number of the conversation: each turn's prompt is the beginning of the next one's.
    pub conversation: u32,
}

// === impl Prompt ===

impl From<u32> for Prompt {
    /// A prompt of so many tokens that begins like no other.
    fn from(tokens: u32) -> Self {
        Self { tokens, content: None }
    }
}
