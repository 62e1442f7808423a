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

impl Prompt {
    /// Content that it shares with those that begin like most of it: its system prompt, if that is more than half of it, else its
    /// conversation.
    pub fn prefix_group(&self) -> Option<Content> {
        let is_mostly_shared = |content: &Content| u64::from(content.system_tokens) * 2 > u64::from(self.tokens);
        let system = |content: Content| Content { conversation: 0, ..content };
        self.content.map(|content| if is_mostly_shared(&content) { system(content) } else { content })
    }
}

impl From<u32> for Prompt {
    /// A prompt of so many tokens that begins like no other.
    fn from(tokens: u32) -> Self {
        Self { tokens, content: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_grouped_by_a_system_prompt_of_more_than_half_of_them_and_else_by_their_conversation() {
        let prompt = |tokens, conversation| {
            let content = Some(Content { system: 1, system_tokens: 600, conversation });
            Prompt { tokens, content }
        };
        assert_eq!(prompt(1_199, 1).prefix_group(), prompt(700, 2).prefix_group());
        assert_ne!(prompt(1_200, 1).prefix_group(), prompt(1_200, 2).prefix_group());
        assert_eq!(prompt(1_200, 1).prefix_group(), prompt(1_300, 1).prefix_group());
        assert_eq!(Prompt::from(100).prefix_group(), None);
    }
}
