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

/// Key of a full block of tokens: its text and its place in it, so that equal keys are equal prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockKey {
    text: Text,
    position: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Text {
    System(u32),
    Conversation(u32),
    /// A request's own.
    Request(u64),
}

// === impl Prompt ===

impl Prompt {
    /// Returns the keys of its full blocks of so many tokens, as the prompt of this request.
    pub fn blocks(self, request: u64, block_tokens: u32) -> impl Iterator<Item = BlockKey> {
        let key = move |position| BlockKey::new(request, self.content, position, block_tokens);
        (0..self.tokens / block_tokens).map(key)
    }

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

// === impl BlockKey ===

impl BlockKey {
    /// The key of a request's block at `position`, of blocks of so many tokens.
    pub(super) const fn new(request: u64, content: Option<Content>, position: u32, block_tokens: u32) -> Self {
        let end = (position + 1) * block_tokens;
        let text = match content {
            None => Text::Request(request),
            Some(content) if end <= content.system_tokens => Text::System(content.system),
            Some(content) => Text::Conversation(content.conversation),
        };
        Self { text, position }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_prompts_that_begin_alike_have_equal_keys_up_to_there() {
        let prompt = |conversation| {
            let content = Some(Content { system: 1, system_tokens: 100, conversation });
            Prompt { tokens: 200, content }
        };
        let common = |one: Prompt, other: Prompt| {
            one.blocks(1, 64).zip(other.blocks(2, 64)).take_while(|(one, other)| one == other).count()
        };
        assert_eq!([common(prompt(1), prompt(1)), common(prompt(1), prompt(2))], [3, 1]);
        assert_eq!(common(Prompt::from(200), Prompt::from(200)), 0);
    }

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
