//! The profile as a document: AIBrix's fields, and the objective per output token beside them.

use serde::Serialize;
use serde_json::json;

use super::{Cell, Grid, Objective};

/// Decimals of the figures: a tenth of a millisecond, and no noise from the platform's floating point.
const DECIMALS: f64 = 1e4;

/// Contents of a profile file.
#[derive(Clone, Debug)]
pub struct ProfileDocument {
    /// Name of the deployment.
    pub deployment: String,
    /// Price of a GPU, in any currency and per any time, as long as all profiles use the same.
    pub cost: f64,
    /// Time of the measurement, Unix seconds.
    pub created_unix_s: u64,
    /// Objective that the rates meet.
    pub objective: Objective,
    /// The shapes.
    pub grid: Grid,
    /// Measured cells, `[output][input]`.
    pub cells: Vec<Vec<Cell>>,
}

// === impl ProfileDocument ===

impl ProfileDocument {
    /// The file's text, one matrix row a line.
    pub fn to_json(&self) -> String {
        let slos = json!({
            "percentile": self.objective.percentile,
            "e2e_per_output_token": self.objective.e2e_per_output_token.as_secs_f64(),
        });
        let fields = [
            ("gpu", text(&self.deployment)),
            ("cost", text(&self.cost)),
            ("created", text(&(self.created_unix_s as f64))),
            ("slos", slos.to_string()),
            ("indexes", rows(&[&self.grid.output_tokens, &self.grid.input_tokens])),
            ("tputs", self.matrix(|cell| cell.throughput_per_s)),
            ("e2e", self.matrix(|cell| cell.e2e.as_secs_f64())),
            ("ttft", self.matrix(|cell| cell.ttft.as_secs_f64())),
            ("tpot", self.matrix(|cell| cell.tpot.as_secs_f64())),
        ];
        let fields = fields.map(|(name, value)| format!("  \"{name}\": {value}"));
        format!("{{\n{}\n}}\n", fields.join(",\n"))
    }

    fn matrix(&self, value: impl Fn(&Cell) -> f64) -> String {
        let rounded = |cell: &Cell| (value(cell) * DECIMALS).round() / DECIMALS;
        let matrix: Vec<Vec<f64>> = self.cells.iter().map(|row| row.iter().map(rounded).collect()).collect();
        rows(&matrix)
    }
}

fn rows<T: Serialize>(rows: &[T]) -> String {
    let lines: Vec<_> = rows.iter().map(|row| format!("    {}", text(row))).collect();
    format!("[\n{}\n  ]", lines.join(",\n"))
}

/// Numbers, strings and lists of them have no way to fail.
fn text<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
