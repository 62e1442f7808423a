//! Colours and letters of the plots.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Of words and figures.
pub const TEXT: RGBColor = RGBColor(40, 44, 52);
/// Of what matters less.
pub const FAINT: RGBColor = RGBColor(120, 126, 136);
/// Of lines behind the data.
pub const GRID: RGBColor = RGBColor(228, 231, 235);
/// Of policies, told apart by colour-blind readers too (Okabe and Ito).
pub const COLORS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(90, 90, 90),
    RGBColor(0, 0, 0),
];

const FONT: &str = "sans-serif";

/// Letters of this size, placed by their upper left corner.
pub fn style(size: i32, color: &'static RGBColor) -> TextStyle<'static> {
    TextStyle::from((FONT, size).into_font()).color(color).pos(Pos::new(HPos::Left, VPos::Top))
}
