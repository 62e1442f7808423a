//! The matrices as text.

use comfy_table::{CellAlignment, Table, presets};

use super::{Shown, short};

/// A table per matrix: outputs down, inputs across; a dash where no rate meets the SLO.
pub fn tables(shown: &Shown) -> String {
    let mut text = format!("{}: {}\n", shown.name, shown.objective);
    for panel in shown.panels() {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let mut head = vec!["output \\ input".to_owned()];
        head.extend(shown.inputs.iter().map(|tokens| tokens.to_string()));
        table.set_header(head);
        for (row, tokens) in shown.outputs.iter().enumerate() {
            let cell = |(column, value): (usize, &Option<f64>)| match value {
                _ if shown.is_infeasible(row, column) => "-".to_owned(),
                Some(value) => short(*value),
                None => "?".to_owned(),
            };
            let mut cells = vec![tokens.to_string()];
            cells.extend(panel.values[row].iter().enumerate().map(cell));
            table.add_row(cells);
        }
        table.column_iter_mut().for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        text.push_str(&format!("\n{}\n{table}\n", panel.title));
    }
    text
}
