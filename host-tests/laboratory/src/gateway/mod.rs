//! A real Envoy under test.
//!
//! [`Envoy`] starts a stock Envoy with the configuration that users run (`envoy/standalone.yaml`), patched only where a
//! test must differ: ports, pods, the filter's JSON. [`Redis`] is what gateways share, [`until`] waits for a condition with
//! a bound. Nothing here sleeps for luck.

mod envoy;
mod redis;
mod wait;

pub use self::envoy::{Envoy, Error, Metrics, Options, Stats, filter, find, path};
pub use self::redis::Redis;
pub use self::wait::{LIMIT, until, within};
