//! The report as a table for the terminal.

use comfy_table::Cell;

use super::{Figures, PolicyRun};
use crate::percentiles::Percentiles;
use crate::report::{color, name, table};

const HEADS: [&str; 9] = [
    "policy",
    "class",
    "requests",
    "kept SLO",
    "goodput\nkept/s",
    "TTFT, s\np50 p90 p99",
    "TPOT, ms\np50 p90 p99",
    "latency/token, ms\np50 p90 p99",
    "wait, s\np50 p90 p99",
];
/// Columns of words; the rest are numbers.
const WORDS: usize = 2;

pub(super) fn draw(runs: &[PolicyRun]) -> String {
    let rows = runs.iter().flat_map(|run| {
        let rows = run.figures.iter().enumerate();
        rows.map(|(index, figures)| row(if index == 0 { &run.policy } else { "" }, figures))
    });
    table(&HEADS, WORDS, rows)
}

fn row(policy: &str, figures: &Figures) -> Vec<Cell> {
    vec![
        name(policy),
        Cell::new(figures.class),
        Cell::new(requests(figures)),
        Cell::new(format!("{:.1} %", 100.0 * figures.attainment)).fg(color(figures.attainment)),
        Cell::new(format!("{:.2}", figures.goodput_per_s)),
        Cell::new(percentiles(figures.ttft_s, 1.0, 2)),
        Cell::new(percentiles(figures.tpot_s, 1e3, 0)),
        Cell::new(percentiles(figures.latency_per_token_s, 1e3, 0)),
        Cell::new(percentiles(figures.wait_s, 1.0, 2)),
    ]
}

fn requests(figures: &Figures) -> String {
    let mut text = figures.requests.to_string();
    if figures.failed > 0 {
        text += &format!("\n{} failed", figures.failed);
    }
    if figures.unfinished > 0 {
        text += &format!("\n{} unfinished", figures.unfinished);
    }
    text
}

fn percentiles(percentiles: Option<Percentiles>, scale: f64, decimals: usize) -> String {
    percentiles.map_or_else(
        || "-".to_owned(),
        |Percentiles { p50, p90, p99 }| {
            let value = |value: f64| format!("{:.decimals$}", value * scale);
            format!("{} {} {}", value(p50), value(p90), value(p99))
        },
    )
}
