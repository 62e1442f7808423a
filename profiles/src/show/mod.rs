//! A profile to be looked at: tables, and a heat map.

mod heatmap;
mod table;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use slo_router::scheduling::profile::without_nan;

pub use self::heatmap::heat_map;
pub use self::table::tables;

/// A profile's matrices, ready to be drawn.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The deployment.
    pub name: String,
    /// Objective that its rates meet.
    pub objective: String,
    /// Tokens of the rows.
    pub outputs: Vec<f64>,
    /// Tokens of the columns.
    pub inputs: Vec<f64>,
    document: Value,
}

/// A matrix to show.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Name, with the unit.
    pub title: &'static str,
    /// Values, `[output][input]`; `None` where there is none.
    pub values: Vec<Vec<Option<f64>>>,
}

/// The profiles of a document.
///
/// # Errors
///
/// What is no profile document.
pub fn read(text: &[u8]) -> Result<Vec<Shown>> {
    let document: Value = serde_json::from_slice(&without_nan(text)).context("not JSON")?;
    match document.get("profiles").and_then(Value::as_array) {
        Some(entries) => {
            entries.iter().map(|entry| Shown::new(&entry["profile"], entry["deployment"].as_str())).collect()
        }
        None => Ok(vec![Shown::new(&document, None)?]),
    }
}

// === impl Shown ===

impl Shown {
    fn new(profile: &Value, deployment: Option<&str>) -> Result<Self> {
        let axis = |index: usize| -> Vec<f64> {
            let ticks = profile["indexes"][index].as_array().map(Vec::as_slice).unwrap_or_default();
            ticks.iter().filter_map(Value::as_f64).collect()
        };
        let shown = Self {
            name: deployment.or(profile["gpu"].as_str()).unwrap_or("?").to_owned(),
            objective: objective(&profile["slos"]),
            outputs: axis(0),
            inputs: axis(1),
            document: profile.clone(),
        };
        if shown.outputs.is_empty() || shown.inputs.is_empty() {
            bail!("{}: it has no `indexes`; `slo-profile check` says more", shown.name);
        }
        Ok(shown)
    }

    /// The matrices that it has, the load of a request among them.
    pub fn panels(&self) -> Vec<Panel> {
        let (rates, e2e) = (self.matrix("tputs"), self.matrix("e2e"));
        let load = |row: usize, column: usize| {
            let concurrency = rates[row][column]? * e2e[row][column]?;
            (concurrency > 0.0).then(|| concurrency.recip().min(1.0))
        };
        let rows = 0..self.outputs.len();
        let loads = rows.map(|row| (0..self.inputs.len()).map(|column| load(row, column)).collect()).collect();
        let panel = |title, name| Panel { title, values: self.matrix(name) };
        let mut panels = vec![
            panel("rate, requests/s", "tputs"),
            panel("latency end to end, s", "e2e"),
            Panel { title: "load of one request, share of a pod", values: loads },
            panel("time to first token, s", "ttft"),
            panel("requests in flight, 90th percentile", "concurrency_p90"),
        ];
        panels.retain(|panel| panel.values.iter().flatten().any(Option::is_some));
        panels
    }

    /// Returns `true` if no rate meets the SLO in this cell.
    pub fn is_infeasible(&self, row: usize, column: usize) -> bool {
        self.document["tputs"][row][column].as_f64() == Some(0.0)
    }

    fn matrix(&self, name: &str) -> Vec<Vec<Option<f64>>> {
        let value = |row: usize, column: usize| self.document[name][row][column].as_f64();
        (0..self.outputs.len()).map(|row| (0..self.inputs.len()).map(|column| value(row, column)).collect()).collect()
    }
}

fn objective(slos: &Value) -> String {
    let fields = slos.as_object().into_iter().flatten();
    let named: Vec<_> =
        fields.filter(|(name, _)| *name != "percentile").map(|(name, value)| format!("{name} {value} s")).collect();
    match slos["percentile"].as_u64() {
        _ if named.is_empty() => "no SLO".into(),
        Some(percentile @ 1..) => format!("{} for {percentile} of 100", named.join(", ")),
        _ => format!("{} on average", named.join(", ")),
    }
}

/// Three digits that matter.
fn short(value: f64) -> String {
    let decimals = match value.abs() {
        value if value >= 100.0 || value == 0.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests;
