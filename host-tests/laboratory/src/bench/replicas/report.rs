//! All arms, as a table and as JSON.

use std::time::Duration;

use serde::Serialize;

use super::{Arm, Load, Outcome};
use crate::report::table;

const HEADS: [&str; 7] = [
    "",
    "kept",
    "latency s\np50 / p99",
    "pods' time\noverfull",
    "most\nabove",
    "longest\noverfull s",
    "callouts/s\nper gateway",
];

/// Setup and result of the arms.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The load.
    pub load: Load,
    /// The policy.
    pub policy: String,
    /// The objective of all requests.
    pub most: Duration,
    /// The arms.
    pub arms: Vec<(Arm, Outcome)>,
}

// === impl Report ===

impl Report {
    /// As a table.
    pub fn text(&self) -> String {
        let row = |(arm, outcome): &(Arm, Outcome)| {
            let Outcome { excess, .. } = outcome;
            [
                arm.name(),
                format!("{:.1} %", 100.0 * outcome.kept),
                format!("{:.2} / {:.2}", outcome.p50_s, outcome.p99_s),
                format!("{:.1} %", 100.0 * outcome.overfull_share),
                format!("{:.0} %", 100.0 * excess.most),
                format!("{:.2}", excess.longest_s),
                format!("{:.1}", outcome.callouts_per_s),
            ]
        };
        table(&HEADS, 1, self.arms.iter().map(row))
    }
}
