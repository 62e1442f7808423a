//! A deployment's capacity, learned: small steps up, large steps down. One of the repairs.
//!
//! With a factor `1 + a` for each answer in time and `1 − b` for each that is too late, it settles where a share
//! `a / (a + b)` of the answers is late: three in a hundred. Answers that are late together tell of one overload, so
//! there is one step down in [`PAUSE`] at most.

use std::time::Duration;

use slo_router::scheduling::time::Instant;

/// Share added by an answer that was in time while more was wanted.
const STEP: f64 = 0.003;
/// Share taken off by an answer that was late even without its wait at the gateway.
const BACK_OFF: f64 = 0.1;
/// From one step down to the next, at least.
const PAUSE: Duration = Duration::from_secs(1);
/// A profile is not further off than this.
const BOUNDS: (f64, f64) = (0.3, 10.0);

/// Multiples of what the profile says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Capacity {
    share: f64,
    backed_off_at: Instant,
}

// === impl Capacity ===

impl Default for Capacity {
    fn default() -> Self {
        Self { share: 1.0, backed_off_at: Instant::ZERO }
    }
}

impl Capacity {
    pub(super) const fn get(self) -> f64 {
        self.share
    }

    /// An answer came; would it have kept its objective without its wait? `wanted`: whether requests wait for room.
    pub(super) fn learn(&mut self, in_time: bool, wanted: bool, now: Instant) {
        if !in_time {
            if now.since(self.backed_off_at) >= PAUSE {
                self.share *= 1.0 - BACK_OFF;
                self.backed_off_at = now;
            }
        } else if wanted {
            self.share *= 1.0 + STEP;
        }
        self.share = self.share.clamp(BOUNDS.0, BOUNDS.1);
    }
}
