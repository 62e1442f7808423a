//! Content of prompts, as far as it matters: which of them begin alike.

/// A prompt by its tokens; what they say matters to servers that [keep blocks](super::Behaviour::keeps_blocks) alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Number of tokens.
    pub tokens: u32,
    /// Content of the tokens; `None` of a prompt that begins like no other.
    pub content: Option<Content>,
}

/// The text that a prompt is the beginning of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// A system prompt that others have too, then a conversation, which the answer continues.
    Conversation {
        /// Number of the system prompt.
        system: u32,
        /// Length of the system prompt, tokens.
        system_tokens: u32,
        /// Number of the conversation: each turn's prompt is the beginning of the next one's.
        conversation: u32,
    },
    /// The numbers of its [chunks](CHUNK_TOKENS), of a recorded prompt: an equal number is an equal
    /// chunk behind equal ones. They live as long as the program, which reads them once.
    Chunks(&'static [u64]),
}

/// Tokens of a chunk of [`Content::Chunks`], but for the prompt's last.
pub const CHUNK_TOKENS: u32 = 512;

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
    Chunk(u64),
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

    /// Content that it shares with those that begin like most of it: its system prompt, if that is
    /// more than half of it, else its conversation; of chunks the first.
    pub fn prefix_group(&self) -> Option<Content> {
        Some(match self.content? {
            Content::Conversation { system, system_tokens, .. }
                if u64::from(system_tokens) * 2 > u64::from(self.tokens) =>
            {
                Content::behind(system, system_tokens, 0)
            }
            conversation @ Content::Conversation { .. } => conversation,
            Content::Chunks(numbers) => Content::Chunks(&numbers[..numbers.len().min(1)]),
        })
    }
}

// === impl Content ===

impl Content {
    /// A conversation without a system prompt.
    pub const fn conversation(conversation: u32) -> Self {
        Self::behind(0, 0, conversation)
    }

    /// A conversation behind a system prompt of so many tokens.
    pub const fn behind(system: u32, system_tokens: u32, conversation: u32) -> Self {
        Self::Conversation { system, system_tokens, conversation }
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
            Some(Content::Conversation { system, system_tokens, .. }) if end <= system_tokens => Text::System(system),
            Some(Content::Conversation { conversation, .. }) => Text::Conversation(conversation),
            Some(Content::Chunks(numbers)) => {
                // The answer is nobody else's.
                let chunk = (end - 1) / CHUNK_TOKENS;
                if (chunk as usize) < numbers.len() {
                    Text::Chunk(numbers[chunk as usize])
                } else {
                    Text::Request(request)
                }
            }
        };
        Self { text, position }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(tokens: u32, system_tokens: u32, conversation: u32) -> Prompt {
        Prompt { tokens, content: Some(Content::behind(1, system_tokens, conversation)) }
    }

    /// The number of blocks of 64 tokens that two prompts begin with.
    fn common(one: Prompt, other: Prompt) -> usize {
        one.blocks(1, 64).zip(other.blocks(2, 64)).take_while(|(one, other)| one == other).count()
    }

    #[test]
    fn blocks_of_prompts_that_begin_alike_have_equal_keys_up_to_there() {
        assert_eq!([1, 2].map(|other| common(behind(200, 100, 1), behind(200, 100, other))), [3, 1]);
        assert_eq!(common(Prompt::from(200), Prompt::from(200)), 0);
    }

    #[test]
    fn chunks_are_shared_by_their_numbers_and_what_comes_behind_them_is_a_requests_own() {
        let prompt = |tokens, numbers| Prompt { tokens, content: Some(Content::Chunks(numbers)) };
        assert_eq!(common(prompt(1_200, &[7, 8, 9]), prompt(1_500, &[7, 8, 6])), 16);
        assert_eq!(common(prompt(600, &[7]), prompt(600, &[7])), 8);
    }

    #[test]
    fn prompts_are_grouped_by_a_system_prompt_of_more_than_half_of_them_and_else_by_their_conversation() {
        assert_eq!(behind(1_199, 600, 1).prefix_group(), behind(700, 600, 2).prefix_group());
        assert_ne!(behind(1_200, 600, 1).prefix_group(), behind(1_200, 600, 2).prefix_group());
        assert_eq!(behind(1_200, 600, 1).prefix_group(), behind(1_300, 600, 1).prefix_group());
        assert_eq!(Prompt::from(100).prefix_group(), None);
    }
}
