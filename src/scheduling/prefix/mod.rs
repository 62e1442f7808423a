//! Knowledge of the prefix caches of model servers: which pod has computed which beginnings of
//! prompts, and how long it keeps them.
//!
//! Servers cache by blocks of tokens, which no filter sees. It goes by [heads] instead: at
//! most 48 hashes of a prompt's beginnings, taken while its body is read. A [table] of fixed
//! size says which pods computed a head, and when, on a clock of tokens that each pod computed. The
//! chance that a pod still holds it is [learned](retention) from the cached tokens that its answers
//! report, so that neither sizes of caches nor their tiers are configured. [`PrefixIndex`] joins
//! these, and workers and gateways exchange their [placements](RecentPlacements).
//!
//! Hosts, clocks and randomness have no part in it. A wrong entry costs a wrong estimate, and
//! nothing else.

mod hasher;
pub mod heads;
mod index;
mod mode;
mod placements;
mod pods;
pub mod retention;
mod running;
mod stored_response;
mod table;
#[cfg(test)]
mod tests;
mod text_hash;

pub use self::hasher::{Beside, PromptHasher, Section};
pub use self::heads::{PromptHead, PromptHeads};
pub use self::index::{ExpectedCache, PlacedPrompt, PrefixHit, PrefixHits, PrefixIndex, ServedTokens};
pub use self::mode::PrefixMode;
pub use self::placements::{PLACEMENTS_MAX, RecentPlacements};
pub use self::retention::{Outcomes, Retention};
pub use self::stored_response::StoredResponse;
