//! From measured points to a profile.
//!
//! Our rule, per cell. Where the single requests of the points are known, λ is where the share of requests that keep the SLO
//! crosses the percentile, with [luck](crate::luck) taken off, on a [curve](crate::fit) through all points; a point whose backlog grew counts as missed. E and
//! the other figures are those of the points around λ. Where only summaries are known (imports), λ is the highest measured
//! rate that [holds](crate::verdict::judge), below the lowest that misses: one that holds above a miss held by luck. A cell
//! where nothing holds has no rate, and the latencies of the idle server.

pub mod aibrix;
mod cell;
mod document;

use crate::grid::Grid;
use crate::measurement::{Measurements, Point};
use crate::objective::Objective;

pub use self::cell::{Cell, Status};
pub use self::document::{ProfileText, python_json};

/// Content of a profile beyond its cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// Price per GPU and unit of time, comparable between profiles.
    pub cost: f64,
    /// Time at which it was made, Unix seconds.
    pub created_unix_s: f64,
}

/// A profile under our rule.
#[derive(Clone, Debug)]
pub struct Built<'a> {
    /// Objective that its rates meet.
    pub objective: Objective,
    /// The shapes.
    pub grid: Grid,
    /// A cell per shape, `[output][input]`.
    pub cells: Vec<Vec<Cell<'a>>>,
}

/// Builds from all points.
pub fn build<'a>(measurements: &'a Measurements, objective: Objective) -> Built<'a> {
    let grid = Grid::through(measurements.points.iter().map(Point::shape));
    let cells = grid.matrix(|shape| {
        let of_cell = measurements.points.iter().filter(|point| point.shape() == shape).collect::<Vec<_>>();
        Cell::of(shape, &of_cell, &objective)
    });
    Built { objective, grid, cells }
}

// === impl Built ===

impl<'a> Built<'a> {
    /// All cells with their remarks: what keeps one from being sure, in words.
    pub fn remarks(&self) -> Vec<String> {
        let remark = |cell: &Cell<'a>| {
            let remark = cell.status.remark()?;
            Some(format!("output {} x input {}: {remark}", cell.shape.output_tokens, cell.shape.input_tokens))
        };
        self.cells.iter().flatten().filter_map(remark).collect()
    }

    /// Returns `true` if some cell has no result at all.
    pub fn is_partial(&self) -> bool {
        self.cells.iter().flatten().any(|cell| matches!(cell.status, Status::Unknown(_)))
    }
}
