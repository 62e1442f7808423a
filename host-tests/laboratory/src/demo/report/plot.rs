//! The report as a picture: how latency per output token is distributed, and who kept the SLO.

use std::error::Error;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::{PolicyRun, Setup};
use crate::look::{COLORS, FAINT, GRID, TEXT, axes, legend, style};

const SIZE: (u32, u32) = (1_240, 560);
/// Height of the title, width of the left panel.
const SPLIT: (i32, i32) = (64, 720);

/// The objective per output token, and how far the axis goes.
const OBJECTIVE_MS: f64 = 50.0;
const AXIS_END_MS: f64 = 150.0;

type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = std::result::Result<(), Box<dyn Error>>;

/// The picture as SVG.
pub(super) fn draw(setup: &Setup, runs: &[PolicyRun]) -> Result<String> {
    let mut svg = String::new();
    draw_all(SVGBackend::with_string(&mut svg, SIZE).into_drawing_area(), setup, runs)
        .map_err(|error| anyhow!("cannot draw the plot: {error}"))?;
    Ok(svg)
}

fn draw_all(area: Panel<'_>, setup: &Setup, runs: &[PolicyRun]) -> Drawn {
    area.fill(&WHITE)?;
    let (title, panels) = area.split_vertically(SPLIT.0);
    let what =
        format!("{} req/s, chat : text-to-SQL = 7 : 4, {} on {}", setup.rate_per_s, setup.model, counted(&setup.pods));
    title.draw(&Text::new("Who keeps 50 ms per output token, end to end", (24, 14), style(20, &TEXT)))?;
    title.draw(&Text::new(what, (24, 42), style(13, &FAINT)))?;
    let (left, right) = panels.split_horizontally(SPLIT.1);
    draw_distribution(&left, runs)?;
    draw_attainment(&right, runs)?;
    area.present()?;
    Ok(())
}

/// Such as `1×A10 + 4×L20`, from a list in which equals are neighbours.
fn counted(pods: &[&str]) -> String {
    let groups = pods.chunk_by(|one, other| one == other);
    let groups: Vec<_> =
        groups.filter_map(|group| Some(format!("{}×{}", group.len(), group.first()?.to_uppercase()))).collect();
    groups.join(" + ")
}

/// Of all arrivals: what was not answered never gets in, so the line at the objective is the attainment.
fn draw_distribution(area: &Panel<'_>, runs: &[PolicyRun]) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .margin(24)
        .margin_top(8)
        .x_label_area_size(46)
        .y_label_area_size(58)
        .build_cartesian_2d(0.0..AXIS_END_MS, 0.0..100.0)?;
    axes(&mut chart.configure_mesh())
        .x_desc("latency per output token, ms")
        .y_desc("% of all requests")
        .x_label_formatter(&|ms| format!("{ms:.0}"))
        .draw()?;
    let objective = [(OBJECTIVE_MS, 0.0), (OBJECTIVE_MS, 100.0)];
    chart.draw_series(DashedLineSeries::new(objective, 5, 4, FAINT.stroke_width(1)))?;
    chart.draw_series([Text::new("SLO", (OBJECTIVE_MS + 1.5, 5.0), style(13, &FAINT))])?;
    for (run, color) in runs.iter().zip(COLORS.iter().cycle()) {
        chart
            .draw_series(LineSeries::new(distribution(run), color.stroke_width(2)))?
            .label(&run.policy)
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(3)));
    }
    legend(&mut chart.configure_series_labels()).position(SeriesLabelPosition::LowerRight).draw()?;
    Ok(())
}

/// Steps (ms, percent of arrivals at or below).
fn distribution(run: &PolicyRun) -> Vec<(f64, f64)> {
    let completed = run.records.iter().filter_map(|record| record.completed());
    let mut latencies_ms: Vec<_> =
        completed.map(|completed| completed.latency_per_token().as_secs_f64() * 1e3).collect();
    latencies_ms.sort_unstable_by(f64::total_cmp);
    let percent = |count: usize| 100.0 * count as f64 / run.records.len().max(1) as f64;
    let inside = latencies_ms.into_iter().take_while(|ms| *ms <= AXIS_END_MS);
    let mut steps = vec![(0.0, 0.0)];
    for (index, ms) in inside.enumerate() {
        steps.extend([(ms, percent(index)), (ms, percent(index + 1))]);
    }
    steps.extend(steps.last().map(|(_, percent)| (AXIS_END_MS, *percent)));
    steps
}

/// A bar per policy, with its attainment beside it and its classes below.
fn draw_attainment(area: &Panel<'_>, runs: &[PolicyRun]) -> Drawn {
    const LEFT: i32 = 8;
    const BAR: i32 = 20;
    let (width, height) = area.dim_in_pixel();
    let (width, height) = (width as i32 - 150, height as i32 - 60);
    let step = height / runs.len().max(1) as i32;
    for ((index, run), color) in (0..).zip(runs).zip(COLORS.iter().cycle()) {
        let Some(all) = run.figures.first() else { continue };
        let top = 8 + index * step;
        let filled = LEFT + (f64::from(width) * all.attainment) as i32;
        let (from, to) = (top + 22, top + 22 + BAR);
        area.draw(&Text::new(run.policy.clone(), (LEFT, top), style(15, &TEXT)))?;
        area.draw(&Rectangle::new([(LEFT, from), (LEFT + width, to)], GRID.filled()))?;
        area.draw(&Rectangle::new([(LEFT, from), (filled, to)], color.filled()))?;
        let figure = format!("{:.1} %", 100.0 * all.attainment);
        area.draw(&Text::new(figure, (LEFT + width + 10, from + 2), style(17, &TEXT)))?;
        let classes: Vec<_> = run
            .figures
            .iter()
            .skip(1)
            .map(|figures| format!("{} {:.0} %", figures.class, 100.0 * figures.attainment))
            .collect();
        let detail = format!("{} · {:.1} kept/s", classes.join(" · "), all.goodput_per_s);
        area.draw(&Text::new(detail, (LEFT, to + 5), style(13, &FAINT)))?;
    }
    Ok(())
}
