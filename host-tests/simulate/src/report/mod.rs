//! What a sweep found, for people and for programs.

mod plot;
mod table;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::goodput::{CurveOfRuns, Goodput};
use crate::interval::Interval;
use crate::sweep::{Curve, Point};

/// Levels of attainment at which goodput is told.
pub const LEVELS: [f64; 3] = [0.99, 0.95, 0.90];

/// What was run.
#[derive(Clone, Debug, Serialize)]
pub struct Setup {
    /// The scenario's name.
    pub scenario: &'static str,
    /// What arrives.
    pub traffic: String,
    /// What is counted as kept.
    pub slo: String,
    /// Seconds in which the arrivals come that count.
    pub measured_s: f64,
    /// Seconds before them.
    pub warm_up_s: f64,
    /// Seeds of the arrivals.
    pub seeds: Vec<u64>,
    /// Envoy's workers.
    pub workers: usize,
    /// What serves on what.
    pub cluster: String,
    /// The profiles' file, where they are not the scenario's.
    pub profiles: Option<String>,
    /// The policy that the others are compared with.
    pub reference: String,
    /// What the filter is configured with beyond its defaults.
    pub filter: serde_json::Value,
}

/// See the module.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    setup: Setup,
    policies: Vec<Policy>,
}

#[derive(Clone, Debug, Serialize)]
struct Policy {
    policy: String,
    goodput: Vec<Goodput>,
    /// By rate: attainment minus the reference's, run by run.
    over_reference: Vec<Difference>,
    points: Vec<Point>,
}

/// How much more a policy keeps than the reference with the same arrivals.
#[derive(Clone, Debug, Serialize)]
struct Difference {
    rate_per_s: f64,
    /// Of attainment, −1 to 1.
    attainment: Interval,
}

// === impl Report ===

impl Report {
    /// Of these curves.
    pub fn new(setup: Setup, curves: Vec<Curve>) -> Self {
        let reference = curves.iter().find(|curve| curve.contender.to_string() == setup.reference);
        let reference = reference.map(|curve| curve.points.clone());
        let policies = curves.into_iter().map(|curve| Policy::of(curve, reference.as_deref())).collect();
        Self { setup, policies }
    }

    /// Tables for the terminal.
    pub fn table(&self) -> String {
        table::draw(&self.setup, &self.policies)
    }

    /// Writes the figures and the plot to `SCENARIO.json` and `SCENARIO.svg`.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let write = |name: &str, content: Vec<u8>| {
            let file = folder.join(name);
            fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))
        };
        write(&format!("{}.json", self.setup.scenario), serde_json::to_vec_pretty(self)?)?;
        write(&format!("{}.svg", self.setup.scenario), plot::draw(&self.setup, &self.policies)?.into_bytes())
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
