//! Tables and files of reports.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Attribute, Cell, CellAlignment, Table};
use serde::Serialize;

/// A table for the terminal, whose first columns, so many, are words; the rest are numbers.
pub fn table<R: Into<comfy_table::Row>>(heads: &[&str], words: usize, rows: impl IntoIterator<Item = R>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(heads.iter().map(|head| Cell::new(head).add_attribute(Attribute::Bold)));
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
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
