//! Monotonic time as the core sees it: an argument, never read inside.
//!
//! `std::time::Instant` cannot be made from a number, so it can be neither simulated nor shared
//! between VMs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Microseconds on a monotonic clock that all VMs of one Envoy process share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Instant(u64);

// === impl Instant ===

impl Instant {
    /// The clock's own zero.
    pub const ZERO: Self = Self(0);
    /// Later than anything that happens.
    pub const FAR_FUTURE: Self = Self(u64::MAX);

    /// From microseconds on the monotonic clock.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds on the monotonic clock.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Time since `earlier`; zero if that lies in the future.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// This instant plus `span`, saturating.
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(saturating_micros(span)))
    }

    /// This instant minus `span`, saturating at zero.
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(saturating_micros(span)))
    }

    /// Seconds from `earlier` to `self`, negative if `self` comes first.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        if self >= earlier { self.since(earlier).as_secs_f64() } else { -earlier.since(self).as_secs_f64() }
    }

    /// This instant plus a signed number of seconds, saturating. NaN counts as zero.
    pub fn offset_seconds(self, seconds: f64) -> Self {
        // `as` saturates and maps NaN to 0, which is what the documentation promises.
        let micros = (seconds.abs() * 1e6) as u64;
        if seconds < 0.0 { Self(self.0.saturating_sub(micros)) } else { Self(self.0.saturating_add(micros)) }
    }
}

/// A duration in whole microseconds, saturating.
fn saturating_micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
