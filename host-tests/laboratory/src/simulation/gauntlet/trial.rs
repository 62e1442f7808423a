//! The runs of a cell: all policies with the same arrivals of each seed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Map;
use slo_router::scheduling::policies::{attainment, least_request, pull};

use super::cells::Cell;
use crate::percentiles::Percentiles;
use crate::simulation::balance::Balance;
use crate::simulation::baseline::{Baseline, Pusher};
use crate::simulation::contender::Contender;
use crate::simulation::lateness::lateness;
use crate::simulation::record::{Fate, Record};
use crate::simulation::scenario::Scenario;
use crate::simulation::shipped::Filter;
use crate::simulation::sweep::Sweep;
use crate::simulation::usage::Window;
use crate::simulation::world;

/// Policy that the laws are about.
pub const OWN: Contender = Contender::Shipped(attainment::SLO_ATTAINMENT);
/// Policy that it must not lose to.
pub const REFERENCE: Contender = Contender::Baseline(Baseline::WeightedLeastRequest);
/// The same, told how long answers will be: it stands in for one that knows all.
pub const CLAIRVOYANT: Contender = Contender::TrueLengths(attainment::SLO_ATTAINMENT);
/// Policy that the pull policies must not lose to.
pub const PULL_REFERENCE: Contender = Contender::Shipped(least_request::LEAST_REQUEST);
/// Policies that never fill a pod above its capacity.
pub const PULL: [Contender; 2] = [Contender::Shipped(pull::SLO), Contender::Shipped(pull::SLO_PACK_LOAD)];

/// Attainment is looked at in spans of so long.
pub const SPAN: Duration = Duration::from_secs(30);
/// Loads below it are below saturation, and are compared with one that knows all.
pub const SATURATION: f64 = 1.0;
/// Loads from which on the pull policies are judged.
pub const PULL_FROM: f64 = 0.5;

/// Length and number of the runs of each cell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// Runs, with one seed each.
    pub runs: u64,
    /// Time in which the arrivals come that count; less where that is many requests, more where it is few.
    pub measured: Duration,
    /// Time before it.
    pub warm_up: Duration,
}

/// Result of a policy in one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfRun {
    /// Arrivals.
    pub requests: usize,
    /// Share of them that kept their objective, 0 to 1.
    pub attainment: f64,
    /// The same of those of each [`SPAN`]; `None` without any.
    pub spans: Vec<Option<f64>>,
    /// Requests that were refused.
    pub refused: usize,
    /// Of answers, their 99th percentile from arrival to first token, seconds.
    pub ttft_p99_s: Option<f64>,
    /// Lateness of each of the answers that missed, seconds.
    pub late_s: Vec<f64>,
    /// Balance of identical pods, where there are any.
    pub balance: Option<Balance>,
}

/// All runs of a cell, by the policy's name.
pub type Runs = BTreeMap<String, Vec<OfRun>>;

// === impl Effort ===

impl Effort {
    /// Effort that verdicts are based on.
    pub const STANDARD: Self = Self { runs: 4, measured: Duration::from_secs(150), warm_up: Duration::from_secs(60) };
    /// Requests that count in a run, where that is within reason.
    const FEWEST_REQUESTS: f64 = 500.0;
    const MOST_REQUESTS: f64 = 2_500.0;
    /// No run is longer for want of requests, nor shorter for their number.
    const LONGEST: Duration = Duration::from_secs(600);
    const SHORTEST: Duration = Duration::from_secs(60);

    /// The window of a run at this rate: whole spans.
    pub fn window(&self, rate_per_s: f64) -> Window {
        let enough = Duration::from_secs_f64(Self::FEWEST_REQUESTS / rate_per_s).min(Self::LONGEST);
        let most = Duration::from_secs_f64(Self::MOST_REQUESTS / rate_per_s).max(Self::SHORTEST);
        let spans = self.measured.max(enough).min(most).as_secs_f64() / SPAN.as_secs_f64();
        let warm_up = self.warm_up.min(most / 2);
        Window { from: warm_up, to: warm_up + SPAN * (spans.round() as u32).max(1) }
    }
}

/// Returns the policies that take part at this load.
pub fn contenders(load: f64) -> Vec<Contender> {
    let clairvoyant = (load < SATURATION).then_some(CLAIRVOYANT);
    let pull = PULL.into_iter().chain([PULL_REFERENCE]).filter(|_| load >= PULL_FROM);
    [OWN, REFERENCE].into_iter().chain(clairvoyant).chain(pull).collect()
}

/// Runs a cell at this rate; `progress` is called after each run.
///
/// # Errors
/// The first invariant that a run broke: a pod above its capacity under a pull policy, a request that never ended.
pub fn run(cell: &Cell, effort: Effort, rate_per_s: f64, progress: impl Fn() + Sync) -> Result<Runs> {
    let window = effort.window(rate_per_s);
    let profiles = cell.belief.document(&cell.scenario)?;
    let contenders = contenders(cell.load);
    let sweep = Sweep {
        filter: Filter::new(&cell.scenario, &profiles, &Map::new())?,
        scenario: cell.scenario.clone(),
        contenders: contenders.clone(),
        rates_per_s: vec![rate_per_s],
        seeds: (1..=effort.runs).collect(),
        warm_up: window.from,
        measured: window.to - window.from,
        workers: cell.workers,
    };
    let jobs: Vec<_> = contenders.iter().flat_map(|of| sweep.seeds.iter().map(move |seed| (*of, *seed))).collect();
    let run = |(contender, seed): &(Contender, u64)| {
        let demands = sweep.scenario.demands(rate_per_s, window.to, *seed);
        let run = sweep.records(*contender, &demands, &[], *seed);
        progress();
        let run = run.with_context(|| format!("{cell}: {contender} with seed {seed}"))?;
        Ok(OfRun::new(&run.records, window, &cell.scenario))
    };
    let mut of_runs = jobs.par_iter().with_max_len(1).map(run).collect::<Result<Vec<_>>>()?.into_iter();
    let mut of = |contender: &Contender| (contender.to_string(), of_runs.by_ref().take(sweep.seeds.len()).collect());
    Ok(contenders.iter().map(&mut of).collect())
}

/// Returns the records of a run where a policy pushes each request at once.
///
/// # Errors
/// As [`run`].
pub fn push(scenario: &Scenario, which: Baseline, rate_per_s: f64, span: Duration, seed: u64) -> Result<Vec<Record>> {
    let weights = scenario.cluster.pods.iter().map(|pod| pod.weight).collect();
    let servers = scenario.cluster.servers_telling(crate::engine::Detail::Milestones, seed)?;
    let demands = scenario.demands(rate_per_s, span, seed);
    Ok(world::run(&demands, servers, &mut Pusher::new(which, weights, 1, seed))?.records)
}

// === impl OfRun ===

impl OfRun {
    /// Of what arrived within the window.
    pub fn new(records: &[Record], window: Window, scenario: &Scenario) -> Self {
        let measured: Vec<&Record> = records.iter().filter(|record| window.contains(record.arrival.at)).collect();
        let starts = std::iter::successors(Some(window.from), |from| Some(*from + SPAN));
        let spans = starts.take_while(|from| *from < window.to).map(|from| {
            let span = Window { from, to: from + SPAN };
            kept_share(measured.iter().copied().filter(|record| span.contains(record.arrival.at)))
        });
        let answers = measured.iter().filter_map(|record| record.answer());
        let ttft = Percentiles::of(answers.map(|answer| answer.ttft).collect());
        let late = measured.iter().filter(|record| !record.kept()).filter_map(|record| {
            let outcome = record.outcome(record.answer()?);
            Some(lateness(&record.slo, &outcome).as_secs_f64())
        });
        Self {
            requests: measured.len(),
            attainment: kept_share(measured.iter().copied()).unwrap_or(1.0),
            spans: spans.collect(),
            refused: measured.iter().filter(|record| matches!(record.fate, Fate::Refused { .. })).count(),
            ttft_p99_s: ttft.map(|ttft| ttft.p99),
            late_s: late.collect(),
            balance: Balance::of(records, &scenario.cluster.pods, window),
        }
    }
}

fn kept_share<'a>(records: impl Iterator<Item = &'a Record>) -> Option<f64> {
    let (kept, all) = records.fold((0, 0), |(kept, all), record| (kept + u32::from(record.kept()), all + 1));
    (all > 0).then(|| f64::from(kept) / f64::from(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured_s(rate_per_s: f64) -> (u64, u64) {
        let Window { from, to } = Effort::STANDARD.window(rate_per_s);
        (from.as_secs(), (to - from).as_secs())
    }

    #[test]
    fn runs_are_as_long_as_told_but_for_many_requests_and_for_few() {
        assert_eq!(measured_s(10.0), (60, 150));
        assert_eq!(measured_s(25.0), (50, 90));
        assert_eq!(measured_s(1_000.0), (30, 60));
        assert_eq!(measured_s(2.0), (60, 240));
        assert_eq!(measured_s(0.1), (60, 600));
    }

    #[test]
    fn one_that_knows_all_takes_part_below_saturation_and_pull_policies_above_half_load() {
        assert_eq!(contenders(0.3), [OWN, REFERENCE, CLAIRVOYANT]);
        assert_eq!(contenders(0.86).len(), 6);
        assert_eq!(contenders(1.0), [OWN, REFERENCE, PULL[0], PULL[1], PULL_REFERENCE]);
    }
}
