//! One cell of a profile.

use slo_router::scheduling::shape::Shape;

use crate::fit::{Crossing, at_rate};
use crate::luck::Fair;
use crate::measure::idle_keeps;
use crate::measure::search::{highest_rate, served_per_s};
use crate::measurement::{Ending, Point};
use crate::objective::Objective;
use crate::verdict::{Verdict, judge};

/// Above this ratio of the lowest rate that misses to the highest that holds, the rate may be much too low.
const COARSE: f64 = 1.3;
/// A point where fewer than this share of the asked share keep the SLO is beyond the limit: its latencies are of another kind.
const NEAR_SHARE: f64 = 0.4;
/// A rate whose standard deviation is above this share of it is worth a remark.
const UNSURE: f64 = 0.1;
/// Share of the mean latency by which the client may send late before the point says more of the client.
const LAG_SHARE: f64 = 0.1;

/// Knowledge of one shape.
#[derive(Clone, Debug)]
pub struct Cell<'a> {
    /// The shape.
    pub shape: Shape,
    /// Certainty of the rate.
    pub status: Status,
    /// Requests per second at which the objective holds; 0 if at none, `None` if not known.
    pub rate_per_s: Option<f64>,
    /// Standard deviation of that rate as a share of it, where it is known.
    pub deviation: Option<f64>,
    /// The points that its other figures come from: those around the rate, or the idle server's.
    points: Vec<&'a Point>,
    /// Mean latency of a request that is alone, seconds.
    idle_e2e_s: Option<f64>,
}

/// Certainty of a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// The highest rate that holds is known.
    Known,
    /// No rate holds: the cell is infeasible.
    Infeasible,
    /// A rate holds, and none was measured that misses.
    Unbounded,
    /// The next rate measured above is so many times higher.
    Coarse(f64),
    /// The standard deviation of the rate is this share of it.
    Unsure(f64),
    /// The client was late by so many seconds: the rate may be its own limit.
    ClientLate(f64),
    /// There is no result, for this reason.
    Unknown(String),
}

// === impl Cell ===

impl<'a> Cell<'a> {
    /// By our rule, from the points of this shape.
    pub(super) fn of(shape: Shape, points: &[&'a Point], objective: &Objective) -> Self {
        let usable = || points.iter().copied().filter(|point| point.ended != Ending::Failed);
        let loaded: Vec<&Point> = usable().filter(|point| !point.is_idle()).collect();
        let idle = usable().find(|point| point.is_idle());
        let idle_e2e_s = idle.and_then(|idle| Some(idle.e2e_s()?.mean));
        if let Some(cell) = Self::fitted(shape, &loaded, idle_e2e_s, objective) {
            return cell;
        }
        let by_rate = |one: &&Point, other: &&Point| one.rate_per_s.total_cmp(&other.rate_per_s);
        let with = |wanted: Verdict| loaded.iter().copied().filter(move |point| judge(point, objective) == wanted);
        let lowest_miss = with(Verdict::Misses).min_by(by_rate);
        let is_below = |point: &&Point| lowest_miss.is_none_or(|miss| point.rate_per_s < miss.rate_per_s);
        let cell = |status, rate_per_s, points| Self { shape, status, rate_per_s, deviation: None, points, idle_e2e_s };
        match (with(Verdict::Holds).filter(is_below).max_by(by_rate), lowest_miss) {
            (Some(best), miss) => {
                let status = Status::of_best(best, miss.map(|point| point.rate_per_s));
                cell(status, Some(best.throughput_per_s), vec![best])
            }
            (None, Some(miss)) => cell(Status::Infeasible, Some(0.0), vec![idle.unwrap_or(miss)]),
            (None, None) => match idle {
                Some(idle) if !idle_keeps(idle, objective) => cell(Status::Infeasible, Some(0.0), vec![idle]),
                _ => cell(Status::Unknown(why_unknown(points.iter().copied(), objective)), None, Vec::new()),
            },
        }
    }

    /// From the curve through all points, if the single requests are known and some points hold and some miss.
    fn fitted(shape: Shape, loaded: &[&'a Point], idle_e2e_s: Option<f64>, objective: &Objective) -> Option<Self> {
        // Points that were cut short, or are far above what the server can do, are no measure of its latencies.
        let is_near = |point: &&Point| {
            let attainment = point.attainment(objective).unwrap_or(0.0);
            point.ended == Ending::Complete && attainment >= NEAR_SHARE * objective.share()
        };
        let found = highest_rate(loaded, idle_e2e_s, objective)?;
        let near: Vec<&Point> = loaded.iter().copied().filter(is_near).collect();
        let nearest = near.iter().copied().min_by(|one, other| {
            let distance = |point: &Point| (served_per_s(point) / found.rate_per_s).ln().abs();
            distance(one).total_cmp(&distance(other))
        })?;
        let status = Status::of_found(found, nearest);
        let (rate_per_s, deviation) = (Some(found.rate_per_s), Some(found.deviation));
        Some(Self { shape, status, rate_per_s, deviation, points: near, idle_e2e_s })
    }

    /// A figure of the points, at the cell's rate; of the idle server where there is none.
    pub fn figure(&self, of: impl Fn(&Point) -> Option<f64>) -> Option<f64> {
        match (self.points.as_slice(), self.rate_per_s) {
            ([point], _) => of(point),
            (points, Some(rate)) => {
                let known = |point: &&Point| Some((served_per_s(point), of(point)?, f64::from(point.requests())));
                at_rate(rate, points.iter().filter_map(known))
            }
            (_, None) => None,
        }
    }

    /// Latency end to end at the cell's rate, seconds, with luck neither way: the mean for `None`, else a percentile.
    pub fn e2e_s(&self, percentile: Option<u8>) -> Option<f64> {
        let measured_s = |point: &Point| point.e2e_s()?.at(percentile);
        let fair = |point: &&Point| {
            let (rate_per_s, factor) = match Fair::new(point, self.idle_e2e_s?) {
                Some(fair) => (point.rate_per_s, fair.e2e_factor(percentile)),
                None => (served_per_s(point), 1.0),
            };
            Some((rate_per_s, measured_s(point)? * factor, f64::from(point.requests())))
        };
        match (self.deviation, self.rate_per_s) {
            (Some(_), Some(rate_per_s)) => at_rate(rate_per_s, self.points.iter().filter_map(fair)),
            _ => self.figure(measured_s),
        }
    }

    /// Requests that were measured for it.
    pub fn requests(&self) -> u32 {
        self.points.iter().map(|point| point.requests()).sum()
    }
}

fn why_unknown<'a>(mut loaded: impl Iterator<Item = &'a Point>, objective: &Objective) -> String {
    let reason = loaded.find_map(|point| match judge(point, objective) {
        Verdict::Unknown(reason) => Some(reason),
        Verdict::Holds | Verdict::Misses => None,
    });
    reason.unwrap_or_else(|| "not measured".into())
}

// === impl Status ===

impl Status {
    fn of_best(best: &Point, miss_per_s: Option<f64>) -> Self {
        let mean_s = best.e2e_s().map_or(f64::INFINITY, |spread| spread.mean);
        match (best.client_lag_s, miss_per_s) {
            (Some(lag_s), _) if lag_s > LAG_SHARE * mean_s => Self::ClientLate(lag_s),
            (_, None) => Self::Unbounded,
            (_, Some(miss)) if miss / best.rate_per_s > COARSE => Self::Coarse(miss / best.rate_per_s),
            _ => Self::Known,
        }
    }

    fn of_found(found: Crossing, best: &Point) -> Self {
        match Self::of_best(best, None) {
            late @ Self::ClientLate(_) => late,
            _ if found.deviation > UNSURE => Self::Unsure(found.deviation),
            _ => Self::Known,
        }
    }

    /// One word for a profile's `cells`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Infeasible => "infeasible",
            Self::Unbounded => "unbounded",
            Self::Coarse(_) => "coarse",
            Self::Unsure(_) => "unsure",
            Self::ClientLate(_) => "client_late",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Remark on it, if there is any.
    pub fn remark(&self) -> Option<String> {
        Some(match self {
            Self::Known | Self::Infeasible => return None,
            Self::Unbounded => {
                "no measured rate misses the SLO; the true rate may be higher: measure higher rates".into()
            }
            Self::Coarse(ratio) => {
                format!("the next measured rate is {ratio:.1} times higher; the true one may be: measure in between")
            }
            Self::Unsure(deviation) => {
                format!(
                    "the rate is sure to {:.0} % only: measure more requests or a finer precision",
                    deviation * 100.0
                )
            }
            Self::ClientLate(lag_s) => {
                format!("the client sent {:.0} ms late: measure from a faster or nearer machine", lag_s * 1e3)
            }
            Self::Unknown(reason) => format!("no result ({reason}): measure it again"),
        })
    }
}
