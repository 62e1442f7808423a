//! A real Envoy under test.
//!
//! [`Envoy`] starts a stock Envoy with the configuration that users run (`envoy/standalone.yaml`), patched only where a
//! test must differ: ports, pods, the filter's JSON. [`backend`] holds pods that do what a test says and when, [`client`]
//! sends requests and watches the answers, [`until`] waits for a condition with a bound. Nothing here sleeps for luck.

pub mod backend;
pub mod client;
mod envoy;
mod redis;
mod wait;

pub use envoy::{Envoy, Error, Metrics, Options, Stats, filter, find, path};
pub use redis::Redis;
pub use wait::{LIMIT, until, within};
