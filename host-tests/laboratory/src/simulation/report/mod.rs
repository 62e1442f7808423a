//! Report of a sweep, for people and for programs.

mod checks;
mod plot;
mod table;

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::report::{write, write_json};
use crate::simulation::checks::{Check, Slice};
use crate::simulation::contender::Contender;
use crate::simulation::goodput::{CurveOfRuns, Goodput};
use crate::simulation::interval::Interval;
use crate::simulation::sweep::{Curve, Point};

/// Levels of attainment at which goodput is told.
pub const LEVELS: [f64; 3] = [0.99, 0.95, 0.90];
/// The reference is at full load where it keeps this.
const FULL_LOAD: f64 = 0.95;

/// Setup of the sweep.
#[derive(Clone, Debug, Serialize)]
pub struct Setup {
    /// The scenario's name.
    pub scenario: &'static str,
    /// Arriving traffic.
    pub traffic: String,
    /// Objective that requests are judged by.
    pub slo: String,
    /// Seconds in which the arrivals come that count.
    pub measured_s: f64,
    /// Seconds before them.
    pub warm_up_s: f64,
    /// Seeds of the arrivals.
    pub seeds: Vec<u64>,
    /// Envoy's workers.
    pub workers: usize,
    /// Servers and their hardware.
    pub cluster: String,
    /// Profiles that the gateway is given of its pods.
    pub profiles: String,
    /// The policy that the others are compared with.
    pub reference: String,
    /// Configuration of the filter beyond its defaults.
    pub filter: serde_json::Value,
}

/// See the module.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    setup: Setup,
    policies: Vec<Policy>,
    /// A burst and a cold start, where the reference crosses 95 % within the sweep.
    checks: Vec<CheckOfPolicy>,
    /// Attainment that no policy can exceed, where that is known.
    upper_bound: Option<Bound>,
}

#[derive(Clone, Debug, Serialize)]
struct CheckOfPolicy {
    check: &'static str,
    policy: String,
    /// Rate at which the reference keeps 95 %.
    full_load_per_s: f64,
    slices: Vec<Slice>,
}

#[derive(Clone, Debug, Serialize)]
struct Bound {
    goodput: Vec<Goodput>,
    points: Vec<BoundPoint>,
}

#[derive(Clone, Debug, Serialize)]
struct BoundPoint {
    rate_per_s: f64,
    attainment: Option<Interval>,
}

#[derive(Clone, Debug, Serialize)]
struct Policy {
    policy: String,
    goodput: Vec<Goodput>,
    /// By rate: attainment minus the reference's, run by run.
    over_reference: Vec<Difference>,
    points: Vec<Point>,
}

/// Difference between what a policy and the reference keep with the same arrivals.
#[derive(Clone, Debug, Serialize)]
struct Difference {
    rate_per_s: f64,
    /// Of attainment, −1 to 1.
    attainment: Interval,
}

// === impl Report ===

impl Report {
    /// Of these curves, and what bounds them.
    pub fn new(setup: Setup, curves: Vec<Curve>, bound: Option<CurveOfRuns>) -> Self {
        let reference = curves.iter().find(|curve| curve.contender.to_string() == setup.reference);
        let reference = reference.map(|curve| curve.points.clone());
        let of = |curve: Curve| Policy::of(curve, reference.as_deref());
        let policies = curves.into_iter().map(of).collect();
        Self { setup, policies, checks: Vec::new(), upper_bound: bound.map(Bound::of) }
    }

    /// The rate at which the reference keeps 95 %.
    pub fn full_load_per_s(&self) -> Option<f64> {
        let reference = self.policies.iter().find(|policy| policy.policy == self.setup.reference)?;
        reference.goodput.iter().find(|goodput| goodput.attainment == FULL_LOAD)?.rate_per_s.rate_per_s()
    }

    /// Adds what a check of a policy found.
    pub fn add_check(&mut self, check: Check, contender: Contender, full_load_per_s: f64, slices: Vec<Slice>) {
        self.checks.push(CheckOfPolicy { check: check.name(), policy: contender.to_string(), full_load_per_s, slices });
    }

    /// Tables for the terminal.
    pub fn table(&self) -> String {
        table::draw(&self.setup, &self.policies, self.upper_bound.as_ref()) + &checks::draw(&self.checks)
    }

    /// Writes the figures and the plot to `SCENARIO.json` and `SCENARIO.svg`.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let file = |kind: &str| folder.join(self.setup.scenario).with_extension(kind);
        write_json(&file("json"), self)?;
        write(&file("svg"), plot::draw(&self.setup, &self.policies, self.upper_bound.as_ref())?)
    }
}

// === impl Bound ===

impl Bound {
    fn of(runs: CurveOfRuns) -> Self {
        let goodput = LEVELS.into_iter().filter_map(|level| Goodput::of(&runs, None, level)).collect();
        let point = |(rate_per_s, runs): &(f64, Vec<f64>)| BoundPoint {
            rate_per_s: *rate_per_s,
            attainment: Interval::of(runs),
        };
        Self { goodput, points: runs.iter().map(point).collect() }
    }
}

// === impl Policy ===

impl Policy {
    fn of(Curve { contender, points }: Curve, reference: Option<&[Point]>) -> Self {
        let runs = of_runs(&points);
        let reference_runs = reference.map(of_runs);
        let goodput = |level| Goodput::of(&runs, reference_runs.as_ref(), level);
        let difference = |(own, other): (&Point, &Point)| {
            let pairs = own.attainment_of_runs().iter().zip(other.attainment_of_runs());
            let attainment = Interval::of(&pairs.map(|(own, other)| own - other).collect::<Vec<_>>())?;
            Some(Difference { rate_per_s: own.rate_per_s, attainment })
        };
        Self {
            policy: contender.to_string(),
            goodput: LEVELS.into_iter().filter_map(goodput).collect(),
            over_reference: points.iter().zip(reference.unwrap_or_default()).filter_map(difference).collect(),
            points,
        }
    }
}

fn of_runs(points: &[Point]) -> CurveOfRuns {
    points.iter().map(|point| (point.rate_per_s, point.attainment_of_runs().to_vec())).collect()
}
