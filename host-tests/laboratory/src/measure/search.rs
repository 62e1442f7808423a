//! The search for the highest rate: doubling, then bisection.

use slo_router::scheduling::shape::Shape;

use super::trial::{self, Trial};
use super::{Cell, Objective};
use crate::engine::EngineSpec;

/// The search starts where an idle server would be busy for this share of the time. A shape that misses its objective
/// even there keeps it by chance alone and counts as infeasible.
const LOWEST_UTILISATION: f64 = 0.01;
/// The search ends when the lowest rate that fails is at most this much above the highest that holds.
const RESOLUTION: f64 = 1.02;

/// The highest rate at which requests of this shape meet the objective, so many of them measured at each rate, and the means
/// there.
pub fn highest_rate(spec: EngineSpec, shape: Shape, objective: Objective, requests: usize) -> Cell {
    let idle = trial::idle(spec, shape);
    let infeasible = Cell::new(0.0, idle);
    if !objective.is_kept(idle.e2e, shape.output_tokens) {
        return infeasible;
    }
    let trial = Trial { spec, shape, objective, requests };
    let mut low = LOWEST_UTILISATION / idle.e2e.as_secs_f64();
    let Some(mut best) = trial.run(low) else { return infeasible };
    let mut high = low * 2.0;
    while let Some(passed) = trial.run(high) {
        (best, low, high) = (passed, high, high * 2.0);
    }
    while high / low > RESOLUTION {
        let middle = (low * high).sqrt();
        match trial.run(middle) {
            Some(passed) => (best, low) = (passed, middle),
            None => high = middle,
        }
    }
    Cell::new(best.throughput_per_s, best.means)
}
