//! Figures per policy and class.

mod figures;
mod plot;
mod table;

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

pub use self::figures::Figures;
use crate::load::Record;
use crate::report::{write, write_json};

/// Setup of the runs.
#[derive(Clone, Debug, Serialize)]
pub struct Setup {
    /// Mean arrivals per second.
    pub rate_per_s: f64,
    /// Time in which they came.
    pub seconds: f64,
    /// Of the arrivals.
    pub seed: u64,
    /// Objective that requests are judged by.
    pub slo: &'static str,
    /// The GPU of each pod.
    pub pods: Vec<&'static str>,
    /// Model that they serve.
    pub model: &'static str,
    /// Envoy's worker threads.
    pub envoy_workers: u32,
}

/// Results under each policy.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    #[serde(flatten)]
    setup: Setup,
    policies: Vec<PolicyRun>,
}

/// One policy's run.
#[derive(Clone, Debug, Serialize)]
struct PolicyRun {
    policy: String,
    /// Requests that another policy placed, or none: the filter had no usable profile, or was bypassed.
    placed_otherwise: usize,
    /// For all requests, then for each class.
    figures: Vec<Figures>,
    #[serde(skip)]
    records: Vec<Record>,
}

// === impl Report ===

impl Report {
    /// Nothing has run yet.
    pub fn new(setup: Setup) -> Self {
        Self { setup, policies: Vec::new() }
    }

    /// Adds a policy's run.
    pub fn add(&mut self, policy: &str, records: Vec<Record>) {
        let placed_otherwise = records
            .iter()
            .filter(|record| record.completed().is_some() && record.routing.policy.as_deref() != Some(policy))
            .count();
        let figures = Figures::of_all_and_each_class(&records, self.setup.seconds);
        self.policies.push(PolicyRun { policy: policy.to_owned(), placed_otherwise, figures, records });
    }

    /// A table for the terminal.
    pub fn table(&self) -> String {
        let mut text = table::draw(&self.policies);
        for run in self.policies.iter().filter(|run| run.placed_otherwise > 0) {
            text += &format!("\n{}: {} requests were not placed by it", run.policy, run.placed_otherwise);
        }
        text
    }

    /// Writes `report.json` and the plot `report.svg`.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_json(&folder.join("report.json"), self)?;
        write(&folder.join("report.svg"), plot::draw(&self.setup, &self.policies)?)
    }
}
