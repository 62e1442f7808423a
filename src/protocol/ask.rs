//! Content of a request, measured without keeping its text.

mod content;
mod document;
mod error;
mod measuring;
mod parameters;
mod reader;
mod section;
mod shape;
#[cfg(test)]
mod tests;
mod text;

use std::rc::Rc;

pub use self::error::BodyError;
pub use self::reader::AskReader;
use super::response_id::ResponseId;
use crate::scheduling::prefix::PromptHeads;

/// The most outputs that one request is taken to generate: far above what anyone asks for in
/// earnest, so that a number made up by a client cannot charge it with more than this.
pub const CHOICES_MAX: u32 = 1024;

/// Content of a request to a model server, as far as it matters for scheduling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The model's name; `None` where the body has none, or an empty one.
    pub model: Option<String>,
    /// Length of the prompt.
    pub prompt: PromptSize,
    /// The client's limit of output tokens, per output.
    pub max_output_tokens: Option<u32>,
    /// Number of outputs that are generated: `n` or `best_of`, times the prompts of a batch. From 1
    /// to [`CHOICES_MAX`].
    pub choices: u32,
    /// Number of outputs that are answered, which are those that usage counts: without the rest of
    /// `best_of`.
    pub answered_choices: u32,
    /// `true` where the response shall be streamed.
    pub stream: bool,
    /// The stored response from which it goes on.
    pub previous_response: Option<ResponseId>,
    /// Hashes of the prompt's beginnings; none unless its reader was [told](AskReader::with_heads)
    /// to take them.
    pub heads: Rc<PromptHeads>,
}

/// The length of a prompt: all of its texts together, in every prompt of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PromptSize {
    /// Characters (Unicode scalar values, escapes resolved) of all texts.
    pub characters: u64,
    /// Images.
    pub images: u32,
    /// Parts whose length the body does not tell: audio, video, files, conversations that the
    /// server stores.
    pub others: u32,
    /// Messages that a chat template will wrap, system prompts included; zero for plain prompts.
    pub messages: u32,
    /// Tokens of all texts, where they are known: counted, or given as token ids.
    pub tokens: Option<u32>,
}
