//! One request inside the engine.

use super::RequestId;
use super::cache::{Cache, Hold, Owner};
use super::content::{Content, Prompt};
use super::roofline::BLOCK_TOKENS;

/// A request and how far it has come.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    pub id: RequestId,
    prompt_tokens: u32,
    content: Option<Content>,
    output_tokens: u32,
    /// Tokens at the prompt's begin that never need computing.
    cached_prompt: u32,
    /// Tokens generated so far; they survive a preemption.
    generated: u32,
    /// Tokens whose keys and values are in the cache.
    computed: u32,
    /// Tokens that the iteration in flight computes, guesses apart.
    scheduled: u32,
    /// Guesses that it computes beside them.
    drafts: u32,
    /// Blocks of cache held.
    hold: Hold,
    /// Tokens of the prompt that were in a cache when it was first admitted; none before that.
    cached_tokens: Option<u32>,
}

// === impl Sequence ===

impl Sequence {
    pub(super) fn new(id: RequestId, prompt: Prompt, cached_prompt: u32, output_tokens: u32) -> Self {
        Self {
            id,
            prompt_tokens: prompt.tokens,
            content: prompt.content,
            output_tokens,
            cached_prompt,
            generated: 0,
            computed: cached_prompt,
            scheduled: 0,
            drafts: 0,
            hold: Hold::default(),
            cached_tokens: None,
        }
    }

    pub(super) const fn generated(&self) -> u32 {
        self.generated
    }

    pub(super) const fn computed(&self) -> u32 {
        self.computed
    }

    pub(super) const fn drafts(&self) -> u32 {
        self.drafts
    }

    /// Tokens of the prompt that were in a cache when it was first admitted.
    pub(super) fn cached_tokens(&self) -> u32 {
        self.cached_tokens.unwrap_or(0)
    }

    /// Output tokens that it has yet to make.
    pub(super) const fn remaining(&self) -> u32 {
        self.output_tokens - self.generated
    }

    /// Tokens known but not computed yet: the rest of the prompt, or the last token generated.
    pub(super) const fn to_compute(&self) -> u32 {
        self.prompt_tokens + self.generated - self.computed
    }

    /// Returns `true` if the iteration in flight makes its next token and it had one before.
    pub(super) const fn decodes(&self) -> bool {
        self.generated > 0 && self.scheduled == 1 && self.to_compute() == 1
    }

    /// Guesses at most so many tokens in the next iteration: none before the first token, and never beyond the last.
    pub(super) fn draft(&mut self, most: u32) {
        let decoding = self.generated > 0 && self.to_compute() == 1;
        self.drafts = if decoding { most.min(self.remaining().saturating_sub(1)) } else { 0 };
    }

    /// Blocks that all tokens known so far take, and the guesses.
    const fn blocks_needed(&self) -> u32 {
        (self.prompt_tokens + self.generated + self.drafts).div_ceil(BLOCK_TOKENS)
    }

    /// Blocks that it needs beyond those that it holds.
    pub(super) const fn blocks_missing(&self) -> u32 {
        self.blocks_needed().saturating_sub(self.hold.blocks)
    }

    /// Holds the blocks that it starts with, if there is room; what is known of them need not be computed.
    pub(super) fn admit(&mut self, cache: &mut Cache) -> bool {
        let Some(hold) = cache.admit(self.owner(), self.prompt_tokens + self.generated) else { return false };
        self.hold = hold;
        self.computed = self.cached_prompt.max(hold.known_tokens());
        self.cached_tokens.get_or_insert(self.computed);
        true
    }

    /// Tokens that were copied from the host's memory when it was admitted.
    pub(super) const fn loaded_tokens(&self) -> u32 {
        self.hold.loaded_tokens()
    }

    /// Holds all blocks that it needs now; there must be as many.
    pub(super) fn hold_blocks(&mut self, cache: &mut Cache) {
        let missing = self.blocks_missing();
        cache.extend(&mut self.hold, missing);
    }

    /// Lets others know the full blocks that it has computed.
    pub(super) fn note_computed(&mut self, cache: &mut Cache) {
        let (owner, computed) = (self.owner(), self.computed);
        cache.note_computed(owner, &mut self.hold, computed);
    }

    /// Lets its blocks go.
    pub(super) fn release(&mut self, cache: &mut Cache) {
        let owner = self.owner();
        cache.release(owner, &mut self.hold);
    }

    const fn owner(&self) -> Owner {
        Owner { request: self.id, content: self.content }
    }

    /// Takes part in the iteration with at most so many tokens; with how many.
    pub(super) fn schedule(&mut self, budget: u32) -> u32 {
        self.scheduled = self.to_compute().min(budget);
        self.drafts = self.drafts.min(budget - self.scheduled);
        self.scheduled + self.drafts
    }

    /// Gives its cache up; what it had computed is computed again later.
    pub(super) fn preempt(&mut self, cache: &mut Cache) {
        self.release(cache);
        self.computed = self.cached_prompt;
        self.scheduled = 0;
        self.drafts = 0;
    }

    /// Ends the iteration in flight, in which so many guesses were right; how many output tokens it made.
    pub(super) fn complete_iteration(&mut self, accepted: u32) -> u32 {
        let scheduled = std::mem::take(&mut self.scheduled);
        self.computed += scheduled;
        if scheduled == 0 || self.to_compute() > 0 || self.remaining() == 0 {
            return 0;
        }
        self.computed += accepted;
        self.generated += 1 + accepted;
        1 + accepted
    }

    /// Ends so many iterations in each of which it decoded one token, and is in the next of that kind.
    pub(super) fn decode(&mut self, iterations: u32) {
        self.computed += iterations;
        self.generated += iterations;
    }

    /// Returns `true` if nothing is left to do. A request for no output ends with its prompt.
    pub(super) const fn is_finished(&self) -> bool {
        self.remaining() == 0 && (self.output_tokens > 0 || self.to_compute() == 0)
    }
}
