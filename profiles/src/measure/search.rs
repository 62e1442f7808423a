//! The next rate to try: steps to a bracket, then where the rate most likely is, until that is sure enough.

use crate::fit::{Crossing, Sample, crossing};
use crate::measure::interval::independent;
use crate::measurement::{Ending, Point};
use crate::objective::Objective;
use crate::verdict::{Verdict, judge};

/// The first step away from where the search begins; the next is its square, the third its fourth power.
const FIRST_STEP: f64 = 1.5;
/// Below this share of a request in flight the rate is as good as none: what keeps its SLO there does by being alone.
const LOWEST_CONCURRENCY: f64 = 0.25;
/// A cell that misses below one request in flight is charged a whole pod whatever its rate: there is nothing to refine, and
/// its few requests per minute would take hours.
const WHOLE_POD: f64 = 1.0;
/// Points beside the most likely rate show how steep the curve is.
const ASIDE: f64 = 1.06;
/// More points than this and a cell is left as it is.
const MAX_POINTS: usize = 16;
/// Between rates further apart than this factor a look is enough.
const WIDE: f64 = 1.6;
/// Points measured in full that a rate has to rest on.
const LEAST_MEASURED: usize = 2;
/// Where less precision than this is asked for, one such point is enough.
const COARSE: f64 = 0.1;
/// What a look, or a server that did not keep up, is worth at most, in requests: it ended when it looked bad or good, so it
/// says less than its numbers.
const LOOK_WEIGHT: f64 = 15.0;

/// What a cell's search knows before its first rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Mean latency of a request that is alone, seconds.
    pub idle_e2e_s: f64,
    /// Where to begin, requests per second.
    pub start_per_s: f64,
    /// The search ends when the rate's standard deviation is at most this share of it.
    pub precision: f64,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Look whether this rate is far off: a few requests decide.
    Look(f64),
    /// Measure this rate in full.
    Measure(f64),
    /// The highest rate that holds is known well enough, or that none does.
    Done,
}

/// The next rate, from the cell's points so far. It depends on nothing else, so a search that was interrupted goes on from
/// its file.
pub fn next(cell: &Cell, points: &[&Point], objective: &Objective) -> Step {
    let loaded: Vec<&Point> =
        points.iter().copied().filter(|point| !point.is_idle() && point.ended != Ending::Failed).collect();
    let rates = |wanted: Verdict| {
        loaded.iter().filter(move |point| judge(point, objective) == wanted).map(|point| point.rate_per_s)
    };
    let highest_hold = rates(Verdict::Holds).max_by(f64::total_cmp);
    let lowest_miss = rates(Verdict::Misses).min_by(f64::total_cmp);
    let step = FIRST_STEP.powi(1 << loaded.len().saturating_sub(1).min(2));
    match (highest_hold, lowest_miss) {
        _ if loaded.len() >= MAX_POINTS => Step::Done,
        (None, None) => Step::Look(cell.start_per_s),
        (Some(hold), None) => Step::Look(hold * step),
        (None, Some(miss)) => {
            let lowest = LOWEST_CONCURRENCY / cell.idle_e2e_s;
            if miss <= lowest { Step::Done } else { Step::Look((miss / step).max(lowest)) }
        }
        (Some(hold), Some(miss)) => refine(cell, &loaded, objective, (hold, miss)),
    }
}

/// Between a rate that holds and one that misses.
fn refine(cell: &Cell, loaded: &[&Point], objective: &Objective, (hold, miss): (f64, f64)) -> Step {
    if miss * cell.idle_e2e_s < WHOLE_POD {
        return Step::Done;
    }
    let middle = Step::Look((hold * miss).sqrt());
    if miss / hold > WIDE && hold < miss {
        return middle;
    }
    let measured = loaded.iter().filter(|point| point.ended == Ending::Complete).count();
    let least = if cell.precision > COARSE { 1 } else { LEAST_MEASURED };
    match highest_rate(loaded, objective) {
        Some(found) if found.deviation <= cell.precision && measured >= least => Step::Done,
        Some(found) => {
            let aside = if measured.is_multiple_of(2) { ASIDE.recip() } else { ASIDE };
            Step::Measure(found.rate_per_s * aside)
        }
        None => middle,
    }
}

/// The highest rate at which the objective holds, from all points of a cell; `None` unless some hold and some miss.
pub fn highest_rate(points: &[&Point], objective: &Objective) -> Option<Crossing> {
    let samples: Option<Vec<Sample>> = points.iter().map(|point| sample(point, objective)).collect();
    crossing(&samples?, objective.share())
}

/// `None` where the single requests are not known. Where the server did not keep up, what was kept says nothing: the backlog
/// would have eaten it.
fn sample(point: &Point, objective: &Objective) -> Option<Sample> {
    let independent = independent(&point.each_kept(objective)?).max(1.0);
    if !point.sustained {
        return Some(Sample { rate_per_s: point.rate_per_s, kept: 0.0, of: independent.min(LOOK_WEIGHT) });
    }
    let share = point.attainment(objective)?;
    let of = if point.ended == Ending::Complete { independent } else { independent.min(LOOK_WEIGHT) };
    Some(Sample { rate_per_s: served_per_s(point), kept: share * of, of })
}

/// What came in the window, where enough did: the latencies follow it rather than the rate that was meant.
pub fn served_per_s(point: &Point) -> f64 {
    point.arrived_per_s.filter(|_| point.ended == Ending::Complete).unwrap_or(point.rate_per_s)
}
