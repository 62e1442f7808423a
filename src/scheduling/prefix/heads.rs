//! Heads of a prompt: hashes of its beginnings, each with its place.
//!
//! Two prompts with a common head begin alike up to there, so that a pod that computed one holds
//! that part of the other. The ends of messages make the turns of a conversation meet exactly; the
//! places that grow geometrically catch shared system prompts and documents.

use super::running::mix;
use super::text_hash::TextHash;

/// The most heads of a prompt.
pub const HEADS_MAX: usize = 48;

/// One beginning of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptHead {
    /// Hash of all content up to its place, and of what the prompt is for: model, salt, tools.
    pub fingerprint: u64,
    /// Bytes of content before its place.
    pub position: u32,
}

/// The heads of a prompt in the order of their places; none where its content was not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PromptHeads {
    heads: Box<[PromptHead]>,
    /// Bytes of all content, in the measure of the places.
    total: u32,
}

// === impl PromptHeads ===

impl PromptHeads {
    /// `heads` ascend by their places.
    pub(super) fn new(heads: Vec<PromptHead>, total: u32) -> Self {
        Self { heads: heads.into_boxed_slice(), total }
    }

    /// The single head of a session whose content is not read: all of its last prompt. `key` is
    /// that of [`PromptHasher`](super::PromptHasher).
    pub fn of_session(key: u64, session: &[u8]) -> Self {
        let fingerprint = mix(key, TextHash::of(session, key));
        Self { heads: [PromptHead { fingerprint, position: 1 }].into(), total: 1 }
    }

    /// The same content for a model that the body does not name: models have caches of their own.
    /// `key` is that of [`PromptHasher`](super::PromptHasher).
    #[must_use]
    pub fn for_model(&self, key: u64, model: &str) -> Self {
        let model = TextHash::of(model.as_bytes(), key);
        let of_model = |head: &PromptHead| PromptHead { fingerprint: mix(head.fingerprint, model), ..*head };
        Self { heads: self.heads.iter().map(of_model).collect(), total: self.total }
    }

    /// Returns `true` if there are none.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Returns the number of heads.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Iterates from the shortest to the longest.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &PromptHead> + ExactSizeIterator {
        self.heads.iter()
    }

    /// The longest, which is the whole prompt unless it is a batch.
    pub fn last(&self) -> Option<&PromptHead> {
        self.heads.last()
    }

    /// Estimates the tokens before a head, of a prompt of so many.
    pub fn tokens_at(&self, head: &PromptHead, prompt_tokens: u32) -> u32 {
        let tokens = u64::from(prompt_tokens).saturating_mul(u64::from(head.position));
        let tokens = tokens.checked_div(u64::from(self.total)).unwrap_or_default();
        u32::try_from(tokens).unwrap_or(u32::MAX).min(prompt_tokens)
    }
}
