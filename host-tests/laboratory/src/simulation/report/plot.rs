//! The report as a picture: attainment over arrival rates.

use std::error::Error;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::{Bound, LEVELS, Policy, Setup};
use crate::look::{COLORS, FAINT, TEXT, axes, legend, style};
use crate::simulation::sweep::Point;

const SIZE: (u32, u32) = (1_000, 600);

/// The picture as SVG.
pub(super) fn draw(setup: &Setup, policies: &[Policy], bound: Option<&Bound>) -> Result<String> {
    let mut svg = String::new();
    draw_on(&mut svg, setup, policies, bound).map_err(|error| anyhow!("cannot draw the plot: {error}"))?;
    Ok(svg)
}

fn draw_on(
    svg: &mut String,
    setup: &Setup,
    policies: &[Policy],
    bound: Option<&Bound>,
) -> std::result::Result<(), Box<dyn Error>> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (title, body) = area.split_vertically(64);
    title.draw(&Text::new(format!("Who keeps {}", setup.slo), (24, 14), style(20, &TEXT)))?;
    let what = format!("{}, {}, {} runs of {:.0} s", setup.traffic, setup.cluster, setup.seeds.len(), setup.measured_s);
    title.draw(&Text::new(what, (24, 42), style(13, &FAINT)))?;
    let points = || policies.iter().flat_map(|policy| policy.points.iter().filter_map(Point::attainment));
    let lowest = points().map(|(rate, _)| rate).fold(f64::INFINITY, f64::min);
    let highest = points().map(|(rate, _)| rate).fold(lowest, f64::max);
    let margin = 0.02 * (highest - lowest).max(1.0);
    let mut chart = ChartBuilder::on(&body)
        .margin(24)
        .margin_top(8)
        .x_label_area_size(46)
        .y_label_area_size(58)
        .build_cartesian_2d(lowest - margin..highest + margin, 0.0..101.0)?;
    axes(&mut chart.configure_mesh())
        .x_desc("arrivals per second")
        .y_desc("% of all requests that keep the SLO")
        .draw()?;
    for level in LEVELS {
        let line = [(lowest - margin, 100.0 * level), (highest + margin, 100.0 * level)];
        chart.draw_series(DashedLineSeries::new(line, 4, 4, FAINT.stroke_width(1)))?;
    }
    if let Some(bound) = bound {
        let points = bound.points.iter().filter_map(|point| Some((point.rate_per_s, 100.0 * point.attainment?.mean)));
        chart
            .draw_series(DashedLineSeries::new(points, 2, 3, TEXT.stroke_width(1)))?
            .label("no policy exceeds")
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], TEXT.stroke_width(1)));
    }
    for (position, (policy, color)) in policies.iter().zip(COLORS.iter().cycle()).enumerate() {
        let curve: Vec<_> =
            policy.points.iter().filter_map(Point::attainment).map(|(rate, share)| (rate, 100.0 * share)).collect();
        // Dashed where a colour comes again.
        let line = color.stroke_width(2);
        let drawn = if position < COLORS.len() {
            chart.draw_series(LineSeries::new(curve, line).point_size(3))?
        } else {
            chart.draw_series(DashedLineSeries::new(curve, 8, 5, line))?
        };
        let length = if position < COLORS.len() { 18 } else { 8 };
        drawn
            .label(&policy.policy)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + length, y)], color.stroke_width(3)));
        chart.draw_series(policy.points.iter().filter_map(|point| bar(point, *color)))?;
    }
    legend(&mut chart.configure_series_labels()).position(SeriesLabelPosition::LowerLeft).draw()?;
    area.present()?;
    Ok(())
}

/// The confidence interval of a point.
fn bar(point: &Point, color: RGBColor) -> Option<PathElement<(f64, f64)>> {
    let attainment = point.figures.first()?.attainment;
    let half_width = attainment.half_width?;
    let percent = |share: f64| (point.rate_per_s, 100.0 * share.clamp(0.0, 1.01));
    let ends = [percent(attainment.mean - half_width), percent(attainment.mean + half_width)];
    Some(PathElement::new(ends, color.mix(0.5).stroke_width(1)))
}
