//! Capacity of a deployment: a profile measured offline, and the questions the scheduler asks of
//! it.
//!
//! The format is AIBrix's (`gen_profile`): matrices over (output tokens, input tokens). A request's
//! [`Cell`] is the nearest tick of both axes in log2 space, clamped at the ends, without
//! interpolation. By Little's law a pod that sustains λ requests/s at a mean latency of E seconds
//! runs λ·E of them at once, so one of them takes 1/(λ·E) of a pod.

mod axis;
mod cell;
mod document;
mod error;
mod json;
mod matrix;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use self::cell::Cell;
pub use self::error::ProfileError;
pub use self::json::without_nan;

use self::axis::Axis;
use self::matrix::Matrix;
use super::load::Load;
use super::shape::Shape;
use super::slo::{Slo, SloKind};

/// The profile of one deployment (of one model, where it serves several).
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The deployment's name, as AIBrix gives it (without a namespace).
    pub gpu: String,
    /// Price per GPU and unit of time, in the operator's own currency; comparable between profiles
    /// only.
    pub cost: f64,
    /// Time at which it was measured, in seconds since 1970 (wall clock).
    pub created_s: Option<f64>,
    /// The SLO under which the rates hold; empty if the profile states none.
    pub slo: Slo,
    output_ticks: Axis,
    input_ticks: Axis,
    rates_per_s: Matrix<f64>,
    e2e: Option<Matrix<Duration>>,
    ttft: Option<Matrix<Duration>>,
}

/// Measurements in one cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// Tokens of each answer.
    pub output_tokens: f64,
    /// Tokens of each prompt.
    pub input_tokens: f64,
    /// Requests/s.
    pub rate_per_s: f64,
    /// Mean time to the first token; zero where it was not measured.
    pub ttft_s: f64,
    /// Mean time to the end.
    pub e2e_s: f64,
}

// === impl Profile ===

impl Profile {
    /// The cell for a request of this shape. No tokens at all count as fewer than the first tick.
    pub fn cell(&self, shape: Shape) -> Cell {
        let (row, row_clamped) = self.output_ticks.nearest(shape.output_tokens);
        let (column, column_clamped) = self.input_ticks.nearest(shape.input_tokens);
        Cell { row, column, clamped: row_clamped || column_clamped }
    }

    /// The highest rate in requests/s per pod that met the profile's SLO; `None` if no rate did, or
    /// none was measured.
    pub fn rate_per_s(&self, cell: Cell) -> Option<f64> {
        self.rates_per_s.get(cell).filter(|rate| *rate > 0.0)
    }

    /// Mean end-to-end latency at that rate; `None` without a measurement.
    pub fn latency(&self, cell: Cell) -> Option<Duration> {
        measured(self.e2e.as_ref(), cell)
    }

    /// The mean time that a request of this cell takes to reach what its objective looks at: the
    /// first token for [`SloKind::Ttft`], the end for all others. `None` without a measurement.
    pub fn expected(&self, kind: SloKind, cell: Cell) -> Option<Duration> {
        measured(self.latencies_for(kind), cell)
    }

    /// The same for a request of this shape; where its cell has no latency, the nearest feasible
    /// one's stands for it.
    ///
    /// An end-to-end latency grows with the output. Between ticks it is scaled to the output: a
    /// target that counts output tokens is, and a request just below a tick would be late before it
    /// came. Beyond the ends it stays the last cell's.
    pub fn expected_for(&self, kind: SloKind, shape: Shape) -> Option<Duration> {
        let cell = self.cell(shape);
        let nearest = || self.expected(kind, self.nearest_feasible(cell)?);
        let Some(expected) = self.expected(kind, cell) else { return nearest() };
        let share = match kind {
            SloKind::Ttft => 1.0,
            _ => self.output_ticks.share_of_tick(shape.output_tokens),
        };
        // Not `mul_f64`, which panics where a forged latency overflows.
        Duration::try_from_secs_f64(expected.as_secs_f64() * share).ok()
    }

    /// The pending load of one request: 1/(rate · latency), at most a whole pod. `None` if the cell
    /// is *infeasible*: without a rate, or without a latency.
    pub fn load(&self, cell: Cell) -> Option<Load> {
        Load::of_one_in(self.rate_per_s(cell)? * self.latency(cell)?.as_secs_f64())
    }

    /// The feasible cell nearest to this one (itself, if it is feasible) by Euclidean distance in
    /// log2 space; among equals the one with fewer output tokens, then fewer input tokens. `None`
    /// if no cell is feasible.
    pub fn nearest_feasible(&self, cell: Cell) -> Option<Cell> {
        let rows = self.output_ticks.distances_log2(cell.row);
        let near = rows.enumerate().flat_map(|(row, up)| {
            let columns = self.input_ticks.distances_log2(cell.column).enumerate();
            columns.map(move |(column, across)| (Cell { row, column, ..cell }, up.hypot(across)))
        });
        near.filter(|(candidate, _)| self.load(*candidate).is_some())
            .min_by(|(_, one), (_, other)| one.total_cmp(other))
            .map(|(nearest, _)| nearest)
    }

    /// All cells that have a rate and a latency.
    pub fn measurements(&self) -> impl Iterator<Item = Measurement> {
        let cells = self.output_ticks.ticks().enumerate().flat_map(|(row, output_tokens)| {
            let columns = self.input_ticks.ticks().enumerate();
            columns
                .map(move |(column, input_tokens)| (Cell { row, column, clamped: false }, output_tokens, input_tokens))
        });
        cells.filter_map(|(cell, output_tokens, input_tokens)| {
            Some(Measurement {
                output_tokens,
                input_tokens,
                rate_per_s: self.rate_per_s(cell)?,
                ttft_s: measured(self.ttft.as_ref(), cell).unwrap_or_default().as_secs_f64(),
                e2e_s: self.latency(cell)?.as_secs_f64(),
            })
        })
    }

    /// Returns `true` if the profile has latencies, without which there is no pending load
    /// (AIBrix's old format).
    pub fn has_pending_load(&self) -> bool {
        self.e2e.is_some()
    }

    fn latencies_for(&self, kind: SloKind) -> Option<&Matrix<Duration>> {
        match kind {
            SloKind::Ttft => self.ttft.as_ref(),
            SloKind::Tpot | SloKind::E2ePerOutputToken | SloKind::E2ePerToken | SloKind::E2e => self.e2e.as_ref(),
        }
    }
}

/// A latency that was measured; nothing takes no time, so zero is none.
fn measured(latencies: Option<&Matrix<Duration>>, cell: Cell) -> Option<Duration> {
    latencies?.get(cell).filter(|latency| !latency.is_zero())
}
