//! Tables and files of reports.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Row, Table};
use serde::Serialize;

/// Attainment from which a figure is good, and below which it is bad.
const GOOD: f64 = 0.95;
const BAD: f64 = 0.80;

/// A table for the terminal, whose first columns, so many, are words; the rest are numbers.
pub fn table<R: Into<Row>>(heads: &[&str], words: usize, rows: impl IntoIterator<Item = R>) -> String {
    let mut table = empty(heads);
    table.add_rows(rows);
    align(table, words)
}

/// The same before its rows are known.
pub fn empty(heads: impl IntoIterator<Item = impl ToString>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(heads.into_iter().map(|head| name(&head.to_string())));
    table
}

/// The whole table; columns after the first `words` are numbers.
pub fn align(mut table: Table, words: usize) -> String {
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// The name of a row, or of a column.
pub fn name(name: &str) -> Cell {
    Cell::new(name).add_attribute(Attribute::Bold)
}

/// Color of a share of requests that kept their objective.
pub fn color(attainment: f64) -> Color {
    match attainment {
        attainment if attainment >= GOOD => Color::Green,
        attainment if attainment < BAD => Color::Red,
        _ => Color::Yellow,
    }
}

/// Writes a file, and the folder that it is in.
///
/// # Errors
/// Where it cannot be written.
pub fn write(file: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Writes figures as JSON.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_json(file: &Path, figures: &impl Serialize) -> Result<()> {
    write(file, serde_json::to_string_pretty(figures)? + "\n")
}
