//! What a sweep found, for people and for programs.

mod plot;
mod table;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::figures::Summary;
use crate::goodput::Crossing;
use crate::sweep::Curve;

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
    points: Vec<Point>,
}

/// The arrival rate at which attainment crosses a level.
#[derive(Clone, Debug, Serialize)]
struct Goodput {
    attainment: f64,
    rate_per_s: Crossing,
}

#[derive(Clone, Debug, Serialize)]
struct Point {
    rate_per_s: f64,
    /// Of all requests, then of each class.
    figures: Vec<Summary>,
}

// === impl Report ===

impl Report {
    /// Of these curves.
    pub fn new(setup: Setup, curves: Vec<Curve>) -> Self {
        Self { setup, policies: curves.into_iter().map(Policy::of).collect() }
    }

    /// Tables for the terminal.
    pub fn table(&self) -> String {
        table::draw(&self.policies)
    }

    /// Writes `simulate.json` and the plot `simulate.svg`.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let write = |name: &str, content: Vec<u8>| {
            let file = folder.join(name);
            fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))
        };
        write("simulate.json", serde_json::to_vec_pretty(self)?)?;
        write("simulate.svg", plot::draw(&self.setup, &self.policies)?.into_bytes())
    }
}

// === impl Policy ===

impl Policy {
    fn of(Curve { contender, points }: Curve) -> Self {
        let points: Vec<Point> =
            points.into_iter().map(|(rate_per_s, figures)| Point { rate_per_s, figures }).collect();
        let curve: Vec<(f64, f64)> = points.iter().filter_map(Point::attainment).collect();
        let goodput = |level| Some(Goodput { attainment: level, rate_per_s: Crossing::of(&curve, level)? });
        Self { policy: contender.to_string(), goodput: LEVELS.into_iter().filter_map(goodput).collect(), points }
    }
}

// === impl Point ===

impl Point {
    /// Rate and mean attainment of all requests.
    fn attainment(&self) -> Option<(f64, f64)> {
        Some((self.rate_per_s, self.figures.first()?.attainment.mean))
    }
}
