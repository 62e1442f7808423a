//! The demonstration that `make demo` runs: simulated pods, a real Envoy with the filter in front, the same load for
//! each policy in turn, and a report of who kept the SLO.
//!
//! - [`load`]: an open-loop load generator over HTTP, and what became of each request.
//! - [`cluster`]: the pods and the Envoy of one run.
//! - [`report`]: figures per policy and class, as a table, as JSON and as a plot.

pub mod cluster;
pub mod load;
pub mod report;
