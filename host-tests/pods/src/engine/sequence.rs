//! One request inside the engine.

use super::RequestId;
use super::roofline::BLOCK_TOKENS;

/// A request and how far it has come.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    pub id: RequestId,
    prompt_tokens: u32,
    output_tokens: u32,
    /// Tokens generated so far; they survive a preemption.
    generated: u32,
    /// Tokens whose keys and values are in the cache.
    computed: u32,
    /// Tokens that the iteration in flight computes.
    scheduled: u32,
    /// Blocks of cache held.
    blocks: u32,
}

// === impl Sequence ===

impl Sequence {
    pub(super) fn new(id: RequestId, prompt_tokens: u32, output_tokens: u32) -> Self {
        Self { id, prompt_tokens, output_tokens, generated: 0, computed: 0, scheduled: 0, blocks: 0 }
    }

    pub(super) const fn computed(&self) -> u32 {
        self.computed
    }

    pub(super) const fn blocks(&self) -> u32 {
        self.blocks
    }

    /// Tokens known but not computed yet: the rest of the prompt, or the last token generated.
    pub(super) const fn to_compute(&self) -> u32 {
        self.prompt_tokens + self.generated - self.computed
    }

    /// Blocks that all tokens known so far take.
    pub(super) const fn blocks_needed(&self) -> u32 {
        (self.prompt_tokens + self.generated).div_ceil(BLOCK_TOKENS)
    }

    /// Holds all blocks that it needs now.
    pub(super) const fn hold_blocks(&mut self) {
        self.blocks = self.blocks_needed();
    }

    pub(super) const fn schedule(&mut self, tokens: u32) {
        self.scheduled = tokens;
    }

    /// Gives its cache up; what it had computed is computed again later.
    pub(super) const fn preempt(&mut self) {
        self.computed = 0;
        self.scheduled = 0;
        self.blocks = 0;
    }

    /// Ends the iteration in flight; the number of the output token that it made, if any.
    pub(super) fn complete_iteration(&mut self) -> Option<u32> {
        let scheduled = std::mem::take(&mut self.scheduled);
        self.computed += scheduled;
        let made = scheduled > 0 && self.to_compute() == 0 && self.generated < self.output_tokens;
        made.then(|| {
            self.generated += 1;
            self.generated
        })
    }

    /// Whether nothing is left to do. A request for no output ends with its prompt.
    pub(super) const fn is_finished(&self) -> bool {
        self.generated >= self.output_tokens && (self.output_tokens > 0 || self.to_compute() == 0)
    }
}
