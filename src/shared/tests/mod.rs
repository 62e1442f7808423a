//! Tests of what the VMs share.

mod claim;
mod digest;
mod directory;
mod document;
mod health;
mod ledger;
mod peer_table;
mod pool_state;
mod runs;
mod state_cache;
mod store;
