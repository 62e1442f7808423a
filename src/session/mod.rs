//! The way of a request through the filter, and that of callouts and ticks, generic over the
//! [`Host`]: contexts, streams, bodies, callouts and metrics. It reads what passes, asks the
//! [`crate::dispatcher`], and does what that says.

mod apply;
mod body;
mod callout;
mod connections;
mod early;
mod expecting;
mod guard;
pub mod headers;
pub mod host;
mod intake;
mod intent;
mod meeting;
pub mod metrics;
mod passthrough;
mod reading;
mod record;
mod refreshing;
mod replicas;
mod response;
mod root;
mod router;
mod sources;
mod stats;
mod stored_response;
mod streams;
mod subset_hint;
#[cfg(test)]
mod tests;
mod verdict;

pub use self::host::Host;
pub use self::root::{Exchange, Root};
pub use self::router::{Next, Router};
