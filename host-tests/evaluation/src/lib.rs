//! Parts that the demonstration and the simulation share, so that their figures can be compared.
//!
//! - [`workload`]: what arrives when.
//! - [`cluster`]: which pods serve it.
//! - [`objectives`]: what is to be kept.
//! - [`completed`], [`percentiles`]: figures of answers.
//! - [`look`]: colours and letters of the plots.

pub mod cluster;
pub mod completed;
pub mod look;
pub mod objectives;
pub mod percentiles;
pub mod workload;
