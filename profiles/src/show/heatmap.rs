//! The matrices as a picture: SVG, a panel per matrix.

use std::error::Error;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Panel, Shown, short};

const CELL: (i32, i32) = (66, 34);
const MARGIN: i32 = 24;
const HEAD: i32 = 64;
const TITLE: i32 = 56;
const AXIS: i32 = 56;
const COLUMNS: usize = 2;

const TEXT: RGBColor = RGBColor(38, 42, 51);
const FAINT: RGBColor = RGBColor(120, 126, 138);
const INFEASIBLE: RGBColor = RGBColor(226, 228, 233);
/// From little to much.
const PALE: RGBColor = RGBColor(233, 241, 250);
const DEEP: RGBColor = RGBColor(23, 78, 140);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = std::result::Result<(), Box<dyn Error>>;

/// The picture.
///
/// # Errors
///
/// What the drawing library says.
pub fn heat_map(shown: &Shown) -> Result<String> {
    let panels = shown.panels();
    let size = panel_size(shown);
    let rows = panels.len().div_ceil(COLUMNS) as i32;
    let whole = ((size.0 * COLUMNS as i32) as u32, (HEAD + size.1 * rows) as u32);
    let mut svg = String::new();
    draw(SVGBackend::with_string(&mut svg, whole).into_drawing_area(), shown, &panels)
        .map_err(|error| anyhow!("cannot draw: {error}"))?;
    Ok(svg)
}

fn panel_size(shown: &Shown) -> (i32, i32) {
    let (columns, rows) = (shown.inputs.len() as i32, shown.outputs.len() as i32);
    ((MARGIN + AXIS + columns * CELL.0 + MARGIN).max(330), TITLE + rows * CELL.1 + AXIS)
}

fn draw(area: Area<'_>, shown: &Shown, panels: &[Panel]) -> Drawn {
    area.fill(&WHITE)?;
    area.draw(&Text::new(shown.name.clone(), (MARGIN, 16), style(20, &TEXT)))?;
    area.draw(&Text::new(shown.objective.clone(), (MARGIN, 42), style(13, &FAINT)))?;
    let size = panel_size(shown);
    for (index, panel) in panels.iter().enumerate() {
        let origin = ((index % COLUMNS) as i32 * size.0, HEAD + (index / COLUMNS) as i32 * size.1);
        draw_panel(&area, shown, panel, origin)?;
    }
    area.present()?;
    Ok(())
}

fn draw_panel(area: &Area<'_>, shown: &Shown, panel: &Panel, (left, top): (i32, i32)) -> Drawn {
    area.draw(&Text::new(panel.title, (left + MARGIN, top + 14), style(14, &TEXT)))?;
    area.draw(&Text::new("output \\ input tokens", (left + MARGIN, top + 35), style(11, &FAINT)))?;
    let (x0, y0) = (left + MARGIN + AXIS, top + TITLE);
    let centered = Pos::new(HPos::Center, VPos::Center);
    for (column, tokens) in shown.inputs.iter().enumerate() {
        let at = (x0 + column as i32 * CELL.0 + CELL.0 / 2, y0 + shown.outputs.len() as i32 * CELL.1 + 14);
        area.draw(&Text::new(tokens.to_string(), at, style(12, &FAINT).pos(centered)))?;
    }
    let scale = Scale::of(shown, panel);
    for (row, tokens) in shown.outputs.iter().enumerate() {
        let y = y0 + row as i32 * CELL.1;
        let right = Pos::new(HPos::Right, VPos::Center);
        area.draw(&Text::new(tokens.to_string(), (x0 - 8, y + CELL.1 / 2), style(12, &FAINT).pos(right)))?;
        for (column, value) in panel.values[row].iter().enumerate() {
            let x = x0 + column as i32 * CELL.0;
            let (fill, ink, text) = match value {
                _ if shown.is_infeasible(row, column) => (INFEASIBLE, FAINT, "infeasible".to_owned()),
                Some(value) => scale.shade(*value),
                None => (WHITE, FAINT, "?".to_owned()),
            };
            let corners = [(x + 1, y + 1), (x + CELL.0 - 1, y + CELL.1 - 1)];
            area.draw(&Rectangle::new(corners, fill.filled()))?;
            let size = if text == "infeasible" { 11 } else { 13 };
            area.draw(&Text::new(text, (x + CELL.0 / 2, y + CELL.1 / 2), style(size, &ink).pos(centered)))?;
        }
    }
    Ok(())
}

/// Shades by the logarithm: rates and latencies span decades.
struct Scale {
    low: f64,
    high: f64,
}

// === impl Scale ===

impl Scale {
    fn of(shown: &Shown, panel: &Panel) -> Self {
        let cells = panel.values.iter().enumerate().flat_map(|(row, values)| {
            values
                .iter()
                .enumerate()
                .filter(move |(column, _)| !shown.is_infeasible(row, *column))
                .filter_map(|(_, v)| *v)
        });
        let logs: Vec<f64> = cells.filter(|value| *value > 0.0).map(f64::ln).collect();
        Self {
            low: logs.iter().copied().fold(f64::INFINITY, f64::min),
            high: logs.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }

    fn shade(&self, value: f64) -> (RGBColor, RGBColor, String) {
        let span = self.high - self.low;
        let share = if value > 0.0 && span > 0.0 { ((value.ln() - self.low) / span).clamp(0.0, 1.0) } else { 0.0 };
        let mix = |from: u8, to: u8| (f64::from(from) + (f64::from(to) - f64::from(from)) * share) as u8;
        let fill = RGBColor(mix(PALE.0, DEEP.0), mix(PALE.1, DEEP.1), mix(PALE.2, DEEP.2));
        (fill, if share > 0.5 { WHITE } else { TEXT }, short(value))
    }
}

fn style(size: i32, color: &RGBColor) -> TextStyle<'_> {
    TextStyle::from(("sans-serif", size).into_font()).color(color)
}
