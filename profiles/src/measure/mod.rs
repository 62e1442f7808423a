//! Measuring: which rates to try, how to load a server with one, and when enough is known.
//!
//! - [`Trial`]: one rate. A state machine without clock or sockets: it says when requests are due, is told how they went,
//!   and becomes a [`Point`](crate::measurement::Point).
//! - [`search`]: the next rate to try, from the points so far. Nothing else is remembered, so a run resumes from its file.
//! - [`Campaign`]: all cells of a grid, one after the other.
//! - [`Server`]: what is measured. Sockets implement it ([`crate::client`]), and an engine in virtual time does in tests.

mod campaign;
pub mod interval;
mod plan;
pub mod search;
mod server;
mod trial;

pub use self::campaign::{Campaign, CampaignError, Finished, Observer, Progress, idle_keeps};
pub use self::plan::{Plan, PlannedCell};
pub use self::server::{Answer, Failure, Server, ServerError};
pub use self::trial::{Sampling, Trial};
