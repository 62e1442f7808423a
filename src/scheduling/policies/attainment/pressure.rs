//! Pressure on a pool: the share of time in which requests are held, moving.

use crate::scheduling::time::Instant;

/// Time constant of the pressure.
const PRESSURE_WINDOW_S: f64 = 5.0;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pressure {
    share: f64,
    at: Instant,
}

// === impl Pressure ===

impl Pressure {
    pub(super) fn update(&mut self, is_holding: bool, now: Instant) {
        let seconds = now.seconds_since(self.at).max(0.0);
        let target = if is_holding { 1.0 } else { 0.0 };
        self.share += (target - self.share) * (1.0 - (-seconds / PRESSURE_WINDOW_S).exp());
        self.at = now;
    }

    /// Returns the share.
    pub(super) fn share(&self) -> f64 {
        self.share
    }
}
