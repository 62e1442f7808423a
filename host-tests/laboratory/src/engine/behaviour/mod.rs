//! Differences of a server from a plain one, whose iterations take exactly what its costs say and
//! make one token per sequence. Each difference is an option of its own, and they compose.
//!
//! Whatever is random is a hash of a seed and of what it is drawn for (an iteration's number, a request's), not a stream of
//! numbers: so a request meets the same luck whatever else is in the server, and time may be cut as one likes.

mod draw;
mod offloading;
mod prefix_cache;
mod speculation;
mod tempo;
#[cfg(test)]
mod tests;

pub(super) use self::draw::Draw;
pub use self::offloading::Offloading;
pub use self::prefix_cache::PrefixCache;
pub use self::speculation::Speculation;
pub use self::tempo::{Hiccups, Moods, SlowSpell, Tempo};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Behaviour {
    /// Duration of iterations, relative to the server's costs.
    pub tempo: Tempo,
    /// Speculative decoding.
    pub speculation: Option<Speculation>,
    /// Prefixes that are found by chance.
    pub prefix_cache: Option<PrefixCache>,
    /// Prefix caching by what prompts say: blocks of the KV cache stay known, and whose prompt begins with them does not compute them
    /// again.
    pub keeps_blocks: bool,
    /// A second cache for the blocks that are known and have no room.
    pub offloading: Option<Offloading>,
}

// === impl Behaviour ===

impl Behaviour {
    /// No difference at all.
    pub const PLAIN: Self =
        Self { tempo: Tempo::STEADY, speculation: None, prefix_cache: None, keeps_blocks: false, offloading: None };

    /// All that a model of the form *step time = a + b · requests + c · tokens* does not see, at once: speculative decoding,
    /// prefix caching, 20 % of jitter and hiccups.
    pub const NON_LINEAR: Self = Self {
        tempo: Tempo { jitter: 0.2, hiccups: Some(Hiccups::USUAL), ..Tempo::STEADY },
        speculation: Some(Speculation::USUAL),
        prefix_cache: Some(PrefixCache::USUAL),
        ..Self::PLAIN
    };
}
