//! All arms, as a table and as JSON.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};
use serde::Serialize;

use super::{Arm, Load, Outcome};

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
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header(HEADS);
        for (arm, outcome) in &self.arms {
            let Outcome { excess, .. } = outcome;
            let cells = [
                format!("{:.1} %", 100.0 * outcome.kept),
                format!("{:.2} / {:.2}", outcome.p50_s, outcome.p99_s),
                format!("{:.1} %", 100.0 * outcome.overfull_share),
                format!("{:.0} %", 100.0 * excess.most),
                format!("{:.2}", excess.longest_s),
                format!("{:.1}", outcome.callouts_per_s),
            ];
            let cells = cells.into_iter().map(|cell| Cell::new(cell).set_alignment(CellAlignment::Right));
            table.add_row(std::iter::once(Cell::new(arm.name())).chain(cells));
        }
        table.to_string()
    }

    /// Into a file.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, serde_json::to_vec_pretty(self)?).with_context(|| format!("cannot write {}", file.display()))
    }
}
