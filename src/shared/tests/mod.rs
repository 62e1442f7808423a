//! Tests of what the VMs share.

mod claim;
mod digest;
mod document;
mod health;
mod ledger;
mod membership;
mod peer_table;
mod placements;
mod pool_state;
mod responses;
mod runs;
mod state_cache;
mod store;
