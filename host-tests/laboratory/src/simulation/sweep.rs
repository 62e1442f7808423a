//! Policies × rates × seeds. All policies see the same arrivals of a rate and seed.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rayon::prelude::*;
use serde::Serialize;

use crate::simulation::aibrix::Aibrix;
use crate::simulation::baseline::Pusher;
use crate::simulation::bound;
use crate::simulation::contender::Contender;
use crate::simulation::figures::{OfRun, Summary};
use crate::simulation::gateway::Gateway;
use crate::simulation::goodput::CurveOfRuns;
use crate::simulation::interval::Interval;
use crate::simulation::prefix_router::PrefixGateway;
use crate::simulation::record::START;
use crate::simulation::scenario::{Demand, Scenario};
use crate::simulation::shipped::{Filter, Lengths, Shipped};
use crate::simulation::usage::Window;
use crate::simulation::world;
use crate::workload::Class;

/// Time before a run, for policies that start with a history.
const PAST: Duration = Duration::from_secs(240);

/// Runs to make.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Traffic, objective and cluster.
    pub scenario: Scenario,
    /// Policies that take part.
    pub contenders: Vec<Contender>,
    /// Arrivals per second, ascending.
    pub rates_per_s: Vec<f64>,
    /// Of the arrivals, one run each.
    pub seeds: Vec<u64>,
    /// Time from the start whose arrivals do not count.
    pub warm_up: Duration,
    /// Time after it in which the arrivals come that count.
    pub measured: Duration,
    /// Envoy's workers.
    pub workers: usize,
    /// Configuration of the filter.
    pub filter: Filter,
}

/// A policy's curve.
#[derive(Clone, Debug)]
pub struct Curve {
    /// The policy.
    pub contender: Contender,
    /// By ascending rate.
    pub points: Vec<Point>,
}

/// All runs of a policy at one rate.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// Arrivals per second.
    pub rate_per_s: f64,
    /// The mean number of pods that had something to do.
    pub pods_in_use: Option<Interval>,
    /// Cost of all pods per 1,000 requests that kept their objective, in the profiles' unit of cost
    /// times an hour; of the runs in which one did.
    pub cost_per_1000_kept: Option<Interval>,
    /// Share of the tokens of answered prompts that pods had in their caches, 0 to 1.
    pub cached_share: Option<Interval>,
    /// Mean share of the prompt by which the gateway's expectation of the pod's cache was off, where
    /// it routes by one.
    pub expected_hit_error: Option<Interval>,
    /// Requests by which two identical pods differ at one moment, in the mean; of the group that differs most.
    pub identical_pods_differ: Option<Interval>,
    /// Of all requests, then of each class.
    pub figures: Vec<Summary>,
}

// === impl Sweep ===

impl Sweep {
    /// Returns the number of runs.
    pub fn runs(&self) -> usize {
        self.contenders.len() * self.rates_per_s.len() * self.seeds.len()
    }

    /// Runs all, on all threads of rayon's pool; `progress` is called after each run.
    ///
    /// # Errors
    /// The first invariant that a run broke, with the run's name.
    pub fn run(&self, progress: impl Fn() + Sync) -> Result<Vec<Curve>> {
        let jobs: Vec<_> = self
            .contenders
            .iter()
            .flat_map(|contender| self.rates_per_s.iter().map(move |rate| (*contender, *rate)))
            .flat_map(|(contender, rate)| self.seeds.iter().map(move |seed| (contender, rate, *seed)))
            .collect();
        let run = |(contender, rate, seed): &(Contender, f64, u64)| {
            let figures = self.run_one(*contender, *rate, *seed);
            progress();
            figures.with_context(|| format!("{contender} at {rate} requests/s, seed {seed}"))
        };
        // One by one: what a run takes differs by orders of magnitude.
        let figures: Vec<_> = jobs.par_iter().with_max_len(1).map(run).collect::<Result<_>>()?;
        let mut figures = figures.chunks(self.seeds.len());
        let classes = &self.scenario.classes;
        let curve = |contender: &Contender| {
            let points = self.rates_per_s.iter().zip(&mut figures);
            Curve {
                contender: *contender,
                points: points.map(|(rate, runs)| Point::of(*rate, runs, classes)).collect(),
            }
        };
        Ok(self.contenders.iter().map(curve).collect())
    }

    /// For each rate and run what no policy can exceed; `None` where no bound is known.
    pub fn bound(&self) -> Option<CurveOfRuns> {
        let window = self.window();
        let of = |rate: &f64| {
            let runs = self.seeds.par_iter().map(|seed| {
                let demands = self.scenario.demands(*rate, window.to, *seed);
                bound::attainment(&self.scenario.cluster, &demands, window)
            });
            Some((*rate, runs.collect::<Option<Vec<f64>>>()?))
        };
        self.rates_per_s.iter().map(of).collect()
    }

    /// Returns the requests that came before a run of this rate and seed.
    pub fn past(&self, rate_per_s: f64, seed: u64) -> Vec<Demand> {
        self.scenario.demands(rate_per_s, PAST, !seed)
    }

    fn window(&self) -> Window {
        Window { from: self.warm_up, to: self.warm_up + self.measured }
    }

    /// One run's records, in the order of arrival.
    ///
    /// # Errors
    /// Where the run breaks an invariant.
    pub fn records(&self, contender: Contender, demands: &[Demand], past: &[Demand], seed: u64) -> Result<world::Run> {
        let cluster = &self.scenario.cluster;
        let servers = cluster.servers_telling(contender.detail(&self.scenario), seed)?;
        let workers = self.workers;
        let shipped = |policy, lengths| Shipped::new(&self.filter, policy, lengths, workers, seed, START);
        let mut gateway: Box<dyn Gateway> = match contender {
            Contender::Shipped(policy) => Box::new(shipped(policy, Lengths::Learned)),
            Contender::TrueLengths(policy) => Box::new(shipped(policy, Lengths::True)),
            Contender::Aibrix(rules) => Box::new(Aibrix::new(&self.scenario, rules, past, seed, START)?),
            Contender::Baseline(which) => {
                let weights = cluster.pods.iter().map(|pod| pod.weight).collect();
                Box::new(Pusher::new(which, weights, workers, seed))
            }
            Contender::PrefixRouter(router) => Box::new(PrefixGateway::new(router, cluster.pods.len(), seed)),
        };
        Ok(world::run(demands, servers, gateway.as_mut())?)
    }

    fn run_one(&self, contender: Contender, rate_per_s: f64, seed: u64) -> Result<OfRun> {
        let window = self.window();
        let demands = self.scenario.demands(rate_per_s, window.to, seed);
        let past = self.past(rate_per_s, seed);
        let run = self.records(contender, &demands, &past, seed)?;
        let costs = self.filter.costs_per_hour(&self.scenario);
        Ok(OfRun::new(&run.records, &self.scenario.classes, window, &self.scenario.cluster.pods, &costs))
    }
}

// === impl Point ===

impl Point {
    fn of(rate_per_s: f64, runs: &[OfRun], classes: &[Class]) -> Self {
        let interval = |of: fn(&OfRun) -> Option<f64>| Interval::of(&runs.iter().filter_map(of).collect::<Vec<_>>());
        Self {
            rate_per_s,
            pods_in_use: interval(|run| Some(run.pods_in_use)),
            cost_per_1000_kept: interval(|run| run.cost_per_1000_kept),
            cached_share: interval(|run| Some(run.cached_share)),
            expected_hit_error: interval(|run| run.expected_hit_error),
            identical_pods_differ: interval(|run| Some(run.balance?.difference)),
            figures: Summary::of_all_and_each_class(runs, classes),
        }
    }

    /// Rate and mean attainment of all requests.
    pub fn attainment(&self) -> Option<(f64, f64)> {
        Some((self.rate_per_s, self.figures.first()?.attainment.mean))
    }

    /// The attainment of all requests in each run, in the order of the seeds.
    pub fn attainment_of_runs(&self) -> &[f64] {
        self.figures.first().map_or(&[], |all| &all.attainment_of_runs)
    }
}
