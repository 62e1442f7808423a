//! One cell of a profile.

use slo_router::scheduling::shape::Shape;

use crate::fit::{Crossing, at_rate};
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
/// How late the client may send, as a share of the mean latency, before the point says more of the client.
const LAG_SHARE: f64 = 0.1;

/// What is known of one shape.
#[derive(Clone, Debug)]
pub struct Cell<'a> {
    /// The shape.
    pub shape: Shape,
    /// How sure it is.
    pub status: Status,
    /// Requests per second at which the objective holds; 0 if at none, `None` if not known.
    pub rate_per_s: Option<f64>,
    /// Standard deviation of that rate as a share of it, where it is known.
    pub deviation: Option<f64>,
    /// The points that its other figures come from: those around the rate, or the idle server's.
    points: Vec<&'a Point>,
}

/// How sure a cell is.
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
        let idle = points.iter().copied().find(|point| point.is_idle() && point.ended != Ending::Failed);
        let loaded = || points.iter().copied().filter(|point| !point.is_idle());
        let with = |wanted: Verdict| loaded().filter(move |point| judge(point, objective) == wanted);
        let lowest_miss = with(Verdict::Misses).min_by(|one, other| one.rate_per_s.total_cmp(&other.rate_per_s));
        let miss_per_s = lowest_miss.map(|point| point.rate_per_s);
        let best = with(Verdict::Holds)
            .filter(|point| miss_per_s.is_none_or(|miss| point.rate_per_s < miss))
            .max_by(|one, other| one.rate_per_s.total_cmp(&other.rate_per_s));
        let with_points = |status, rate_per_s, points| Self { shape, status, rate_per_s, deviation: None, points };
        match (best, lowest_miss) {
            (Some(best), miss) => {
                let status = Status::of_best(best, miss.map(|point| point.rate_per_s));
                // Points that were cut short, or are far above what the server can do, are no measure of its latencies.
                let is_near = |point: &&Point| {
                    let attainment = point.attainment(objective).unwrap_or(0.0);
                    point.ended == Ending::Complete && attainment >= NEAR_SHARE * objective.share()
                };
                let complete: Vec<&Point> = loaded().filter(is_near).collect();
                match highest_rate(&loaded().collect::<Vec<_>>(), objective) {
                    Some(found) if !complete.is_empty() => Self {
                        deviation: Some(found.deviation),
                        ..with_points(Status::of_found(found, best), Some(found.rate_per_s), complete)
                    },
                    _ => with_points(status, Some(best.throughput_per_s), vec![best]),
                }
            }
            (None, Some(miss)) => with_points(Status::Infeasible, Some(0.0), vec![idle.unwrap_or(miss)]),
            (None, None) => match idle {
                Some(idle) if !idle_keeps(idle, objective) => with_points(Status::Infeasible, Some(0.0), vec![idle]),
                _ => with_points(Status::Unknown(why_unknown(loaded(), objective)), None, Vec::new()),
            },
        }
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

    /// What to know of it, if anything.
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
