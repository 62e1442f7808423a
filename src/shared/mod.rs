//! State shared by Envoy's VMs: one VM per worker, each with a queue and a table of streams of its
//! own, and between them shared data with compare-and-swap and mailboxes.
//!
//! Gateways share nothing but what they tell each other: a [`digest`](digest::Digest) each, kept in
//! a [`table`](peer_table::PeerTable) and summed up in a [`view`](peer_view::PeerView) for all VMs.
//!
//! Shared data is never freed, so keys come from a bounded set; each carries the pool and the
//! format's version.

pub mod claim;
pub mod digest;
pub mod document;
pub mod health;
pub mod keys;
pub mod ledger;
pub mod membership;
pub mod memory;
pub mod peer_table;
pub mod peer_view;
pub mod placement_exchange;
pub mod pool_secret;
pub mod pool_state;
pub mod responses;
pub mod runs;
pub mod state_cache;
pub mod store;
#[cfg(test)]
mod tests;

pub use self::keys::Keys;
pub use self::store::{Contended, Store, update};
