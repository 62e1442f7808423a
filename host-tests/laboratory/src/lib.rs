//! The laboratory: what the filter is worth and what it costs, without a GPU. Its program is `lab`, whose commands the
//! Makefile's targets call.
//!
//! What it is made of:
//!
//! - [`engine`]: a model server as continuous batching, iteration by iteration, in virtual time: pure and deterministic.
//!   [`kinds`] are servers that are no model on a GPU, [`measure`] bisects an engine's profile, [`calibration`] holds it
//!   against published benchmark rows.
//! - [`server`]: the fake model server: instant, scripted, or an engine against the real clock.
//! - [`client`] and [`load`]: requests over HTTP, one by one and as a load.
//! - [`gateway`]: a real Envoy with the filter.
//! - [`workload`], [`lengths`], [`objectives`], [`cluster`], [`configuration`]: who arrives, what is to be kept, and which pods serve.
//! - [`completed`], [`percentiles`], [`report`], [`look`]: figures, tables and plots.
//!
//! What is done with it: [`demo`], [`bench`], and `simulation`: every policy in virtual time, and the gauntlet.

pub mod bench;
pub mod calibration;
pub mod client;
pub mod cluster;
pub mod completed;
pub mod configuration;
pub mod demo;
pub mod engine;
pub mod gateway;
pub mod kinds;
pub mod lengths;
pub mod load;
pub mod look;
pub mod measure;
pub mod objectives;
pub mod percentiles;
pub mod report;
pub mod server;
#[cfg(feature = "simulation")]
pub mod simulation;
pub mod workload;
