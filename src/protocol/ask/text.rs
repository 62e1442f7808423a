//! The tokens of a text that comes in parts, where they are counted.

use crate::protocol::tokens::{Pieces, TokenCounter, work_of};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenSum {
    /// Tokens so far; `None` where any could not be counted.
    tokens: Option<u32>,
    /// Bytes not counted yet, for want of those that follow.
    pending: String,
    /// Instructions that counting took, as estimated, of all texts so far.
    work: u64,
}

// === impl TokenSum ===

impl Default for TokenSum {
    fn default() -> Self {
        Self { tokens: Some(0), pending: String::new(), work: 0 }
    }
}

impl TokenSum {
    /// Takes the next part, of whole characters.
    pub(super) fn push(&mut self, part: &[u8], counter: Option<&dyn TokenCounter>) {
        let Some(counter) = counter else { return };
        let Ok(part) = str::from_utf8(part) else { return };
        self.pending.push_str(part);
        let mut pieces = Pieces(&self.pending);
        for piece in pieces.by_ref() {
            self.work = self.work.saturating_add(work_of(piece));
            self.tokens = sum(self.tokens, counter.tokens_of(piece));
        }
        let counted = self.pending.len().saturating_sub(pieces.0.len());
        self.pending.drain(..counted);
    }

    /// The text has ended, and had so many characters; another may come.
    pub(super) fn finish(&mut self, characters: usize, counter: Option<&dyn TokenCounter>) -> Option<u32> {
        let Some(counter) = counter else { return (characters == 0).then_some(0) };
        let tokens = self.tokens.replace(0);
        if self.pending.is_empty() {
            return tokens;
        }
        self.work = self.work.saturating_add(work_of(&self.pending));
        let last = counter.tokens_of(&self.pending);
        self.pending.clear();
        sum(tokens, last)
    }

    /// WebAssembly instructions that counting took, as estimated from above, of all texts so far.
    pub(super) const fn work(&self) -> u64 {
        self.work
    }
}

/// Adds up tokens, where both are known.
pub(super) fn sum(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    one.zip(other).map(|(one, other)| one.saturating_add(other))
}
