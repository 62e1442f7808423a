//! Knowledge of the prefix caches of model servers: which pod has computed which beginnings of
//! prompts, and how long it keeps them.
//!
//! Servers cache by blocks of tokens, which no filter sees. It goes by [heads](heads) instead: at
//! most 48 hashes of a prompt's beginnings, taken while its body is read.
//!
//! Hosts, clocks and randomness have no part in it. A wrong entry costs a wrong estimate, and
//! nothing else.

mod hasher;
pub mod heads;
mod running;

pub use self::hasher::{Beside, PromptHasher, Section};
pub use self::heads::{PromptHead, PromptHeads};
