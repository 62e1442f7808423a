//! Tests of what the VMs share.

mod claim;
mod directory;
mod document;
mod health;
mod ledger;
mod store;
