//! Tests of what the VMs share.

mod board;
mod claim;
mod directory;
mod document;
mod health;
mod ledger;
mod noticeboard;
mod store;
