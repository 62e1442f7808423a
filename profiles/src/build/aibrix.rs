//! AIBrix's rule (`gen_profile`), so that the same rows give the same profile.
//!
//! It differs from ours: each objective is looked at alone, an equal value misses, rates that pass above one that fails are
//! taken, a backlog shows only as less than 0.9 of the rate completed, and a cell where nothing passes gets the latency of its
//! first row.

use serde_json::{Map, Value, json};

use crate::grid::Grid;
use crate::measurement::{Latencies, Measurements, Point, Spread};

/// A rate is stable if at least this share of it is completed.
const STABLE_SHARE: f64 = 0.9;

/// The objectives of `gen_profile`; `None` is not set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AibrixObjective {
    /// Percentile of the latencies; `None` for the mean.
    pub percentile: Option<u8>,
    /// Requests per second at least.
    pub tput_per_s: Option<f64>,
    /// Output tokens per second at least.
    pub tt_per_s: Option<f64>,
    /// End to end, seconds.
    pub e2e_s: Option<f64>,
    /// To the first token, seconds.
    pub ttft_s: Option<f64>,
    /// End to end per token of input and output, seconds.
    pub tpat_s: Option<f64>,
    /// Per output token, seconds.
    pub tpot_s: Option<f64>,
}

/// A profile under AIBrix's rule.
#[derive(Clone, Debug, PartialEq)]
pub struct AibrixProfile {
    /// The shapes.
    pub grid: Grid,
    /// Requests per second.
    pub rates_per_s: Vec<Vec<f64>>,
    /// Mean end-to-end latencies.
    pub e2e_s: Vec<Vec<f64>>,
    /// Mean times to first token; only with such an objective.
    pub ttft_s: Option<Vec<Vec<f64>>>,
    /// The objectives under the names of the format.
    pub slos: Value,
}

/// Builds by AIBrix's rule.
///
/// # Errors
///
/// Points that are not from AIBrix's benchmark rows, and cells that are missing, by their shape.
pub fn build(measurements: &Measurements, objective: &AibrixObjective) -> Result<AibrixProfile, String> {
    let rows = measurements.points.iter().map(Row::of).collect::<Result<Vec<_>, _>>()?;
    let grid = Grid::through(rows.iter().map(|row| row.point.shape()));
    for shape in grid.shapes() {
        if !rows.iter().any(|row| row.point.shape() == shape) {
            return Err(format!("there are no rows for output {} x input {}", shape.output_tokens, shape.input_tokens));
        }
    }
    let chosen = grid.matrix(|shape| {
        let of_cell: Vec<&Row<'_>> = rows.iter().filter(|row| row.point.shape() == shape).collect();
        (objective.choose(&of_cell), of_cell[0])
    });
    let map = |value: &dyn Fn(Option<&Row<'_>>, &Row<'_>) -> f64| {
        chosen.iter().map(|row| row.iter().map(|(best, first)| value(*best, first)).collect()).collect()
    };
    Ok(AibrixProfile {
        rates_per_s: map(&|best, _| best.map_or(0.0, |row| row.point.throughput_per_s)),
        e2e_s: map(&|best, first| best.unwrap_or(first).e2e_s.mean),
        ttft_s: objective.ttft_s.map(|_| map(&|best, first| best.unwrap_or(first).ttft_s.mean)),
        slos: objective.to_json(),
        grid,
    })
}

/// A point with all that the rule looks at.
struct Row<'a> {
    point: &'a Point,
    tokens_per_s: f64,
    e2e_s: &'a Spread,
    ttft_s: &'a Spread,
    tpot_s: &'a Spread,
}

// === impl Row ===

impl<'a> Row<'a> {
    fn of(point: &'a Point) -> Result<Self, String> {
        let complete = || {
            let Latencies::Summary(summary) = &point.latencies else { return None };
            Some(Self {
                point,
                tokens_per_s: point.output_tokens_per_s?,
                e2e_s: &summary.e2e_s,
                ttft_s: summary.ttft_s.as_ref()?,
                tpot_s: summary.tpot_s.as_ref()?,
            })
        };
        let place = || {
            let (output, input) = (point.output_tokens, point.input_tokens);
            format!("output {output} x input {input} at {}/s", point.rate_per_s)
        };
        complete().ok_or_else(|| {
            format!(
                "{}: AIBrix's rule needs its five rows (TPUT, TT, E2E, TTFT, TPOT), imported from its benchmark",
                place()
            )
        })
    }
}

// === impl AibrixObjective ===

impl AibrixObjective {
    /// The row whose figures the cell gets.
    fn choose<'a, 'r>(&self, rows: &[&'r Row<'a>]) -> Option<&'r Row<'a>> {
        let by_rate = |one: &&&Row<'_>, other: &&&Row<'_>| one.point.rate_per_s.total_cmp(&other.point.rate_per_s);
        let passing: Vec<&Row<'_>> = rows.iter().copied().filter(|row| self.passes(row)).collect();
        let stable = passing.iter().filter(|row| row.point.throughput_per_s >= STABLE_SHARE * row.point.rate_per_s);
        stable.max_by(by_rate).or(passing.iter().min_by(by_rate)).copied()
    }

    fn passes(&self, row: &Row<'_>) -> bool {
        let tokens = f64::from(row.point.input_tokens) + f64::from(row.point.output_tokens);
        let below = |spread: &Spread, limit: Option<f64>| {
            limit.is_none_or(|limit| spread.at(self.percentile).is_some_and(|value| value < limit))
        };
        self.tput_per_s.is_none_or(|least| row.point.throughput_per_s >= least)
            && self.tt_per_s.is_none_or(|least| row.tokens_per_s >= least)
            && below(row.e2e_s, self.e2e_s)
            && below(row.ttft_s, self.ttft_s)
            && self.tpat_s.is_none_or(|limit| row.e2e_s.at(self.percentile).is_some_and(|value| value / tokens < limit))
            && below(row.tpot_s, self.tpot_s)
    }

    fn to_json(self) -> Value {
        let mut slos = Map::new();
        slos.insert("percentile".into(), json!(self.percentile.unwrap_or(0)));
        let named = [
            ("tput", self.tput_per_s),
            ("tt", self.tt_per_s),
            ("e2e", self.e2e_s),
            ("ttft", self.ttft_s),
            ("tpat", self.tpat_s),
            ("tpot", self.tpot_s),
        ];
        slos.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))));
        Value::Object(slos)
    }
}
