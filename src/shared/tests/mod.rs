//! Tests of what the VMs share.

mod board;
mod claim;
mod digest;
mod directory;
mod document;
mod health;
mod ledger;
mod noticeboard;
mod roster;
mod runs;
mod store;
