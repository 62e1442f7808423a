//! Weight of a request among others.

use serde::{Deserialize, Serialize};

/// Worth of keeping the objective of a request, against 1 for one of no class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weight(f64);

// === impl Weight ===

impl Weight {
    /// `None` unless it is positive and finite.
    pub fn new(weight: f64) -> Option<Self> {
        (weight > 0.0 && weight.is_finite()).then_some(Self(weight))
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(1.0)
    }
}
