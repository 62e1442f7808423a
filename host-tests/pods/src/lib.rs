//! Simulated model servers, so that routing can be proven without a GPU.
//!
//! - [`engine`]: a model server as continuous batching, iteration by iteration, in virtual time: pure and deterministic.
//! - [`kinds`]: servers by name that are no model on a GPU.
//! - [`measure`]: measures an engine's profile (the highest rate per request shape that keeps an SLO) in virtual time.
//! - [`calibration`]: how well the engine matches published benchmark rows.
//! - [`lengths`]: how long prompts and answers are.
//! - [`server`]: an OpenAI-compatible HTTP server that an engine drives against the real clock.
//!
//! The engine knows nothing of profiles, and profiles know of the engine only what was measured on it.

pub mod calibration;
pub mod engine;
pub mod kinds;
pub mod lengths;
pub mod measure;
pub mod server;
