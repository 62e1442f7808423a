//! Iterations that are alike, computed at once: as long as every sequence decodes, none ends, no block is missing and nobody new
//! comes, an iteration differs from the one before it by a token more of context for each. Where nobody asks for every token
//! ([`Detail::Milestones`]), such a stretch costs a sequence nothing but a sum at its end.
//!
//! [`Detail::Milestones`]: super::Detail::Milestones

#[cfg(test)]
mod tests;

use super::Engine;
use super::roofline::{BLOCK_TOKENS, Work};

/// Iterations beyond the first: a longer stretch would be cut by an arrival before its end.
const MOST: u32 = 64;

// === impl Engine ===

impl Engine {
    /// Lets iterations that are like the one in flight follow it, so that one in flight ends at the end of the last.
    pub(super) fn extend_stretch(&mut self, mut work: Work) {
        for _ in 0..self.alike() {
            if let Some(end) = self.iteration_ends_at {
                self.stretch_ends.push_back(end);
                work.grow();
                self.iteration_ends_at = Some(self.end_of(work, end));
            }
        }
    }

    /// Returns the number of iterations like the one in flight that can follow it.
    fn alike(&self) -> u32 {
        let sequences = self.running.len() as u32;
        if self.spec.behaviour.speculation.is_some() || !self.running.iter().all(|sequence| sequence.decodes()) {
            return 0;
        }
        let remaining = self.running.iter().map(|sequence| sequence.remaining()).min().unwrap_or(1);
        // A sequence needs at most one block more for each so many tokens.
        let blocks = self.cache.free() / sequences.max(1) * BLOCK_TOKENS;
        (remaining - 1).min(blocks).min(MOST)
    }

    /// Ends the iterations of the stretch, except the last, that are over at `self.now`.
    pub(super) fn settle_stretch(&mut self) {
        let over = self.stretch_ends.iter().take_while(|end| **end <= self.now).count();
        if over > 0 {
            self.stretch_ends.drain(..over);
            for sequence in &mut self.running {
                sequence.decode(over as u32);
                sequence.hold_blocks(&mut self.cache);
                if self.spec.behaviour.keeps_blocks {
                    sequence.note_computed(&mut self.cache);
                }
            }
        }
    }

    /// Leaves nothing of the stretch but the iteration in flight, as what follows will be another one.
    pub(super) fn cut_stretch(&mut self) {
        self.settle_stretch();
        if let Some(end) = self.stretch_ends.front().copied() {
            self.iterations -= self.stretch_ends.len() as u64;
            self.stretch_ends.clear();
            self.iteration_ends_at = Some(end);
        }
    }
}
