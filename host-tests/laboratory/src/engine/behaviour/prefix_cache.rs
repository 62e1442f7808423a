//! Prefix caching: the keys and values of a prompt's beginning may be there already, and are not computed again.

use super::draw::{Draw, Purpose};
use crate::engine::roofline::BLOCK_TOKENS;

/// Some requests find a part of their prompt in the cache, such as a common system prompt or an earlier turn; whichever pod they come
/// to, so that it is no matter of routing. Each holds blocks of its own all the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrefixCache {
    /// Share of the requests that find anything.
    pub hit_share: f64,
    /// Largest share of the prompt that is found; requests lie evenly between nothing and this.
    pub found_max: f64,
}

// === impl PrefixCache ===

impl PrefixCache {
    /// Half of the requests find something, up to all of their prompt.
    pub const USUAL: Self = Self { hit_share: 0.5, found_max: 1.0 };

    /// Tokens of the prompt that need not be computed: whole blocks, and never the last token.
    pub(in crate::engine) fn cached_tokens(&self, request: u64, prompt_tokens: u32, draw: Draw) -> u32 {
        if draw.uniform(Purpose::PrefixHit, request, 0) >= self.hit_share {
            return 0;
        }
        let share = self.found_max * draw.uniform(Purpose::PrefixShare, request, 0);
        let found = (f64::from(prompt_tokens) * share) as u32;
        found.min(prompt_tokens.saturating_sub(1)) / BLOCK_TOKENS * BLOCK_TOKENS
    }
}
