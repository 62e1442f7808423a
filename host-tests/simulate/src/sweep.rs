//! Policies × rates × seeds. All policies see the same arrivals of a rate and seed.

use std::time::Duration;

use anyhow::{Context as _, Result};
use evaluation::cluster::{GPUS, MODEL};
use evaluation::workload::{Arrival, arrivals};
use rayon::prelude::*;
use slo_router::scheduling::slo::Slo;
use slo_router_pods::engine::{Engine, EngineSpec};

use crate::baseline::Pusher;
use crate::contender::Contender;
use crate::figures::{Figures, Summary};
use crate::gateway::Gateway;
use crate::record::START;
use crate::server::Server;
use crate::shipped::{Filter, Shipped};
use crate::world;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Who takes part.
    pub contenders: Vec<Contender>,
    /// Arrivals per second, ascending.
    pub rates_per_s: Vec<f64>,
    /// Of the arrivals, one run each.
    pub seeds: Vec<u64>,
    /// Time from the start whose arrivals do not count.
    pub warm_up: Duration,
    /// Time after it in which the arrivals come that count.
    pub measured: Duration,
    /// What is to be kept.
    pub slo: Slo,
    /// Envoy's workers.
    pub workers: usize,
    /// How the filter is configured.
    pub filter: Filter,
}

/// A policy's curve.
#[derive(Clone, Debug)]
pub struct Curve {
    /// The policy.
    pub contender: Contender,
    /// For each rate the figures of all requests and of each class.
    pub points: Vec<(f64, Vec<Summary>)>,
}

// === impl Sweep ===

impl Sweep {
    /// How many runs that is.
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
        let curve = |contender: &Contender| {
            let points = self.rates_per_s.iter().zip(&mut figures);
            let points = points.map(|(rate, runs)| (*rate, Summary::of_all_and_each_class(runs))).collect();
            Curve { contender: *contender, points }
        };
        Ok(self.contenders.iter().map(curve).collect())
    }

    /// One run's records, in the order of arrival.
    ///
    /// # Errors
    /// Where the run breaks an invariant.
    pub fn records(&self, contender: Contender, arrivals: &[Arrival], seed: u64) -> Result<world::Run> {
        let pod = |gpu| -> Result<Box<dyn Server>> {
            Ok(Box::new(Engine::new(EngineSpec::new(gpu, MODEL).context("the model does not fit the GPU")?)))
        };
        let servers = GPUS.into_iter().map(pod).collect::<Result<Vec<_>>>()?;
        let mut gateway: Box<dyn Gateway> = match contender {
            Contender::Shipped(policy) => {
                Box::new(Shipped::new(&self.filter, policy, self.slo, self.workers, seed, START))
            }
            Contender::Baseline(which) => Box::new(Pusher::new(which, servers.len(), self.workers, seed)),
        };
        Ok(world::run(arrivals, servers, gateway.as_mut())?)
    }

    fn run_one(&self, contender: Contender, rate_per_s: f64, seed: u64) -> Result<Vec<Figures>> {
        let arrivals = arrivals(rate_per_s, self.warm_up + self.measured, seed);
        let run = self.records(contender, &arrivals, seed)?;
        Ok(Figures::of_all_and_each_class(&run.records, self.warm_up, &self.slo))
    }
}
