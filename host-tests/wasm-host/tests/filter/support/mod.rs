//! Helpers that the scenarios share: configurations, requests, and views of what the filter keeps.

mod config;
mod gateway;
mod program;
mod redis;
mod shared;

use std::time::Duration;

pub use self::config::{
    DEPLOYMENT, address, by_token, document, entry, filter, profile, profile_with, unattainable, with_large,
};
pub use self::gateway::{Gateway, Sent, all_leave, drain, fullest, on_pods, world};
pub use self::program::{builder, of, path};
pub use self::redis::Redis;
pub use self::shared::Shared;

/// So many milliseconds.
pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// So many seconds.
pub const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
