//! Measures what a model server sustains under a latency objective, and turns it into a profile that the filter reads.
//!
//! - [`measure`]: which rates to try, and when enough is known; over a trait, so that it runs against an engine in virtual
//!   time as well as against a server.
//! - [`client`]: any OpenAI-compatible server over sockets.
//! - [`measurement`]: what was measured, on disk; [`import`]: what others measured.
//! - [`build`]: points to a profile, with [`verdict`], [`fit`], and [`luck`] taken off by a model, [`sharing`]; [`check`],
//!   [`show`] and [`publish`] it.

pub mod build;
pub mod check;
pub mod client;
pub mod fit;
pub mod grid;
pub mod import;
pub mod luck;
pub mod measure;
pub mod measurement;
pub mod objective;
pub mod publish;
pub mod sharing;
pub mod show;
mod tls;
pub mod verdict;
