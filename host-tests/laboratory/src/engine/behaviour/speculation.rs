//! Speculative decoding: a decoding sequence computes its last token and some guesses, and keeps those that turn out right.

use super::draw::{Draw, Purpose};

/// Drafts as by prompt lookup, which cost no iteration of their own. A request's guesses are right with a probability of its own,
/// as code is easier to guess than prose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speculation {
    /// Guesses per iteration.
    pub draft_tokens: u32,
    /// Lowest probability of a request's guess to be right, given that those before it are.
    pub acceptance_min: f64,
    /// Highest one; requests lie evenly in between.
    pub acceptance_max: f64,
}

// === impl Speculation ===

impl Speculation {
    /// Three guesses, right with 0.3 to 0.9: some 2.3 tokens per iteration.
    pub const USUAL: Self = Self { draft_tokens: 3, acceptance_min: 0.3, acceptance_max: 0.9 };

    /// Returns the number of guesses of a request that are right in the iteration after its
    /// `generated`-th token: those before the first wrong one.
    pub(in crate::engine) fn accepted(&self, request: u64, generated: u32, draw: Draw) -> u32 {
        let place = draw.uniform(Purpose::Acceptance, request, 0);
        let acceptance = self.acceptance_min + place * (self.acceptance_max - self.acceptance_min);
        let mut luck = draw.uniform(Purpose::AcceptedTokens, request, generated.into());
        let mut accepted = 0;
        while accepted < self.draft_tokens && luck < acceptance {
            // Given that it lies below, it is uniform there: stretched, it decides on the next guess.
            luck /= acceptance;
            accepted += 1;
        }
        accepted
    }
}
