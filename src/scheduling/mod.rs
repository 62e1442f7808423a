//! The pure scheduling core: it can be read, tested and simulated with no proxy in mind.
//!
//! Time comes in as an argument ([`time::Instant`], monotonic), randomness as a seeded generator.

pub mod allowance;
pub mod deployment;
pub mod latency_model;
pub mod load;
pub mod occupancy;
pub mod pod_load;
pub mod policies;
pub mod pool;
pub mod prediction;
pub mod prefix;
pub mod profile;
pub mod queue;
pub mod request;
pub mod requests;
pub mod run;
pub mod shape;
pub mod slack;
pub mod slo;
pub mod subset;
#[cfg(test)]
pub(crate) mod testing;
pub mod time;
pub mod view;
pub mod weight;
