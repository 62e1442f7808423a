//! The demonstration: simulated pods, a real Envoy with the filter in front, the same load for each policy in turn, and a
//! report of who kept the SLO.
//!
//! - [`cluster`]: the pods and the Envoy of one run.
//! - [`progress`]: display of the runs.
//! - [`report`]: figures per policy and class, as a table, as JSON and as a plot.

pub mod cluster;
pub mod progress;
pub mod report;
