//! Colours, letters and lines of the plots.

use plotters::chart::{MeshStyle, SeriesLabelStyle};
use plotters::coord::types::RangedCoordf64;
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

/// The axes of a plot.
pub type Mesh<'a, 'b, 's> = MeshStyle<'a, 'b, RangedCoordf64, RangedCoordf64, SVGBackend<'s>>;
/// Labels of a plot's lines.
pub type Labels<'a, 'b, 's> = SeriesLabelStyle<'a, 'b, SVGBackend<'s>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

const FONT: &str = "sans-serif";

/// Letters of this size, placed by their upper left corner.
pub fn style(size: i32, color: &'static RGBColor) -> TextStyle<'static> {
    TextStyle::from((FONT, size).into_font()).color(color).pos(Pos::new(HPos::Left, VPos::Top))
}

/// Lines and letters of the axes; the vertical one counts percent.
pub fn axes<'m, 'a, 'b, 's>(mesh: &'m mut Mesh<'a, 'b, 's>) -> &'m mut Mesh<'a, 'b, 's> {
    mesh.light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(FAINT)
        .label_style(style(13, &TEXT))
        .y_label_formatter(&|percent| format!("{percent:.0}"))
}

/// A frame around what the colours mean.
pub fn legend<'m, 'a, 'b, 's: 'a>(labels: &'m mut Labels<'a, 'b, 's>) -> &'m mut Labels<'a, 'b, 's> {
    labels.background_style(WHITE).border_style(GRID).label_font(style(13, &TEXT)).margin(8)
}
