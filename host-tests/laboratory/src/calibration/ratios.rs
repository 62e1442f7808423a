//! Ratios of what the engine does to what was measured.

/// Median and spread of ratios.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratios {
    /// Number of ratios.
    pub count: usize,
    /// A tenth are below this.
    pub p10: f64,
    /// Half are.
    pub median: f64,
    /// Nine tenths are.
    pub p90: f64,
}

// === impl Ratios ===

impl Ratios {
    /// `None` of nothing.
    pub fn of(mut ratios: Vec<f64>) -> Option<Self> {
        ratios.sort_unstable_by(f64::total_cmp);
        let count = ratios.len();
        let at = |percent: usize| ratios.get((count * percent / 100).min(count.saturating_sub(1))).copied();
        Some(Self { count, p10: at(10)?, median: at(50)?, p90: at(90)? })
    }
}

impl std::fmt::Display for Ratios {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ({:.2} to {:.2})", self.median, self.p10, self.p90)
    }
}
