//! The next rate to try: looks until one is near, then measurements around where the rate most likely is, until that is sure
//! enough.

use crate::fit::{Crossing, Sample, crossing, expected_share};
use crate::luck::Fair;
use crate::measure::interval::{Share, share_of};
use crate::measurement::{Ending, Point};
use crate::objective::Objective;
use crate::verdict::{Verdict, judge};

/// A step where there is nothing to guess by.
const BLIND_STEP: f64 = 2.0;
/// Below this share of a request in flight the rate is as good as none: what keeps its SLO there does by being alone.
const LOWEST_CONCURRENCY: f64 = 0.25;
/// A cell that misses below one request in flight is charged a whole pod whatever its rate: there is nothing to refine, and
/// its few requests per minute would take hours.
const WHOLE_POD: f64 = 1.0;
/// Points beside the most likely rate show how steep the curve is.
const ASIDE: f64 = 1.06;
/// As often is that step doubled at most, where all points are on one side of the rate.
const FARTHEST_ASIDE: usize = 4;
/// More points than this and a cell is left as it is.
const MAX_POINTS: usize = 16;
/// A look whose guess is within this factor of its own rate is near enough to measure there.
const NEAR: f64 = 1.25;
/// After so many looks it is measured anyway.
const MAX_LOOKS: usize = 5;
/// Points measured in full that a rate has to rest on.
const LEAST_MEASURED: usize = 2;
/// Precision from which on one such point is enough.
const COARSE: f64 = 0.1;
/// Most that a look, or a server that did not keep up, is worth, in requests: it ended when it looked bad, so it says less
/// than its numbers.
const LOOK_WEIGHT: f64 = 10.0;

/// Number of requests that look like one another while no point tells it yet.
const LOOK_DISPERSION: f64 = 10.0;

/// Knowledge of a cell's search before its first rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Mean latency of a request that is alone, seconds.
    pub idle_e2e_s: f64,
    /// First rate, requests per second.
    pub start_per_s: f64,
    /// The search ends when the rate's standard deviation is at most this share of it.
    pub precision: f64,
}

/// Next step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Look how far off this rate is: a few requests tell.
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
    let (highest_hold, lowest_miss) = bounds(loaded.iter().copied(), objective);
    let lowest = LOWEST_CONCURRENCY / cell.idle_e2e_s;
    match (highest_hold, lowest_miss) {
        _ if loaded.len() >= MAX_POINTS => return Step::Done,
        (None, None) => return Step::Look(cell.start_per_s),
        (None, Some(miss)) if miss <= lowest => return Step::Done,
        (Some(_), Some(miss)) if miss * cell.idle_e2e_s < WHOLE_POD => return Step::Done,
        _ => {}
    }
    // A look may hold or miss by chance: it leads, but bounds nothing.
    let is_measured = |point: &&Point| point.ended == Ending::Complete;
    let (hold, miss) = bounds(loaded.iter().copied().filter(is_measured), objective);
    let between = match (hold, miss) {
        (Some(hold), Some(miss)) => (hold.min(miss), miss.max(hold)),
        (hold, miss) => (hold.unwrap_or(lowest), miss.unwrap_or(f64::INFINITY)),
    };
    let guess = || guess(cell, &loaded, objective, between);
    let measured = loaded.iter().copied().filter(is_measured).count();
    if measured == 0 {
        let (guess_per_s, factor) = guess();
        let is_near = factor < NEAR || loaded.len() >= MAX_LOOKS;
        let rate_per_s = guess_per_s.max(lowest);
        return if is_near { Step::Measure(rate_per_s) } else { Step::Look(rate_per_s) };
    }
    let farther = ASIDE.powi(1 << (measured - 1).min(FARTHEST_ASIDE));
    let least = if cell.precision > COARSE { 1 } else { LEAST_MEASURED };
    match (highest_rate(&loaded, Some(cell.idle_e2e_s), objective), hold, miss) {
        (Some(found), ..) if found.deviation <= cell.precision && measured >= least => Step::Done,
        (Some(found), ..) => {
            let aside = if measured.is_multiple_of(2) { ASIDE.recip() } else { ASIDE };
            Step::Measure(found.rate_per_s * aside)
        }
        // All are on one side: on to the other, each time twice as far.
        (None, Some(hold), _) => Step::Measure(guess().0.max(hold) * farther),
        (None, _, Some(miss)) => Step::Measure((guess().0.min(miss) / farther).max(lowest)),
        (None, None, None) => Step::Done,
    }
}

/// The highest rate that holds, and the lowest that misses.
fn bounds<'a>(points: impl Iterator<Item = &'a Point>, objective: &Objective) -> (Option<f64>, Option<f64>) {
    points.fold((None, None), |(hold, miss), point| match judge(point, objective) {
        Verdict::Holds => (Some(hold.map_or(point.rate_per_s, |hold: f64| hold.max(point.rate_per_s))), miss),
        Verdict::Misses => (hold, Some(miss.map_or(point.rate_per_s, |miss: f64| miss.min(point.rate_per_s)))),
        Verdict::Unknown(_) => (hold, miss),
    })
}

/// The guess of the last point, within what is known, and by which factor it is off that point.
fn guess(cell: &Cell, loaded: &[&Point], objective: &Objective, (low, high): (f64, f64)) -> (f64, f64) {
    let Some(last) = loaded.last() else { return (cell.start_per_s, BLIND_STEP) };
    let blind = || match judge(last, objective) {
        Verdict::Holds => (last.rate_per_s * BLIND_STEP).min((last.rate_per_s * high).sqrt()),
        Verdict::Misses | Verdict::Unknown(_) => (last.rate_per_s / BLIND_STEP).max((last.rate_per_s * low).sqrt()),
    };
    let fair = Fair::new(last, cell.idle_e2e_s).and_then(|fair| fair.guess_per_s(objective));
    let guess_per_s = fair.unwrap_or_else(blind).max(low).min(high);
    (guess_per_s, (guess_per_s / last.rate_per_s).ln().abs().exp())
}

/// The highest rate at which the objective holds, from all points of a cell; `None` unless some hold and some miss.
pub fn highest_rate(points: &[&Point], idle_e2e_s: Option<f64>, objective: &Objective) -> Option<Crossing> {
    let plain = points.iter().map(|point| plain_share(point, objective)).collect::<Option<Vec<_>>>()?;
    let fair: Vec<_> = points.iter().map(|point| Fair::new(point, idle_e2e_s?)).collect();
    let first = crossing_of(points, &plain, &fair, objective, |_, share| share)?;
    // Once more, with shares that are expected of the rates rather than seen.
    let expected = |rate_per_s, _| expected_share(rate_per_s, first.rate_per_s, objective.share());
    crossing_of(points, &plain, &fair, objective, expected).or(Some(first))
}

fn crossing_of(
    points: &[&Point],
    plain: &[(f64, Share)],
    fair: &[Option<Fair<'_>>],
    objective: &Objective,
    level: impl Fn(f64, f64) -> f64,
) -> Option<Crossing> {
    let fair = fair.iter().zip(points).zip(plain).map(|((fair, point), plain)| {
        let level = level(point.rate_per_s, plain.1.share);
        let share = fair.as_ref().and_then(|fair| fair.share(objective, level));
        share.map_or(*plain, |share| (point.rate_per_s, share))
    });
    let fair: Vec<_> = fair.collect();
    // A point's own variance is hardly known, and small by chance where all went well: one for all is better.
    let dispersion = |shares: &[(f64, Share)]| {
        let complete = || points.iter().zip(shares).filter(|(point, _)| point.ended == Ending::Complete);
        let requests = |point: &Point| f64::from(point.requests());
        let seen: f64 = complete().map(|(point, (_, share))| share.variance * requests(point).powi(2)).sum();
        let binomial: f64 = complete().map(|(point, (_, share))| share.binomial() * requests(point)).sum();
        if binomial > 0.0 { (seen / binomial).max(1.0) } else { LOOK_DISPERSION }
    };
    let (dispersion, shares) = [fair.as_slice(), plain]
        .map(|shares| (dispersion(shares), shares))
        .into_iter()
        .min_by(|one, other| one.0.total_cmp(&other.0))?;
    let sample = |(point, (rate_per_s, share)): (&&Point, &(f64, Share))| {
        let of = f64::from(point.requests()) / dispersion;
        let (share, of) = match point.ended {
            // What was kept says nothing: the backlog would have eaten it.
            _ if !point.sustained => (0.0, of.min(LOOK_WEIGHT)),
            Ending::Complete => (share.share, of),
            Ending::Decided | Ending::Failed => (share.share, of.min(LOOK_WEIGHT)),
        };
        Sample { rate_per_s: *rate_per_s, kept: share * of, of }
    };
    crossing(&points.iter().zip(shares).map(sample).collect::<Vec<_>>(), objective.share())
}

/// The share that kept the objective as it was measured, and the rate that it belongs to; `None` where the single requests
/// are not known.
fn plain_share(point: &Point, objective: &Objective) -> Option<(f64, Share)> {
    let kept: Vec<f64> = point.each_kept(objective)?.into_iter().map(|kept| f64::from(u8::from(kept))).collect();
    let in_flight = point.throughput_per_s * point.e2e_s().map_or(0.0, |spread| spread.mean);
    Some((served_per_s(point), share_of(&kept, in_flight)))
}

/// Rate that came in the window, if enough did: the latencies follow it rather than the rate that was meant.
pub fn served_per_s(point: &Point) -> f64 {
    point.arrived_per_s.filter(|_| point.ended == Ending::Complete).unwrap_or(point.rate_per_s)
}
