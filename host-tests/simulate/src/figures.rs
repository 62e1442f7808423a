//! Figures of one run, and of several runs together.

use std::time::Duration;

use evaluation::completed::Completed;
use evaluation::percentiles::Percentiles;
use evaluation::workload::Class;
use serde::Serialize;

use crate::interval::Interval;
use crate::record::{Fate, Record};

/// Figures of all requests of a run, or of one class.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Share of all arrivals that kept the objective, 0 to 1.
    pub attainment: f64,
    /// Arrivals.
    pub requests: usize,
    /// Of them, those that were refused.
    pub refused: usize,
    /// Times, in the order of [`TIMES`].
    pub times: [Option<Percentiles>; TIMES.len()],
}

/// What [`Figures::times`] holds: of answered requests, from their arrival at the gateway on.
pub const TIMES: [&str; 4] = ["ttft_s", "tpot_s", "latency_per_token_s", "wait_s"];

/// Figures of several runs with different seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The class; `all` for all.
    pub class: &'static str,
    /// Share of all arrivals that kept the objective, 0 to 1.
    pub attainment: Interval,
    /// The same of each run, in the order of the seeds.
    pub attainment_of_runs: Vec<f64>,
    /// Arrivals in all runs.
    pub requests: usize,
    /// Of them, those that were refused.
    pub refused: usize,
    /// Means over the runs of the percentiles of each.
    pub times: Vec<Times>,
}

/// A kind of time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Times {
    /// One of [`TIMES`].
    pub what: &'static str,
    /// Seconds.
    pub p50: f64,
    /// Seconds.
    pub p99: f64,
}

// === impl Figures ===

impl Figures {
    /// Of all requests that arrived at `from` or later, then of each class.
    pub fn of_all_and_each_class(records: &[Record], classes: &[Class], from: Duration) -> Vec<Self> {
        let measured: Vec<&Record> = records.iter().filter(|record| record.arrival.at >= from).collect();
        let of = |class| measured.iter().copied().filter(|record| record.arrival.class == class).collect::<Vec<_>>();
        std::iter::once(Self::of(&measured)).chain(classes.iter().map(|class| Self::of(&of(*class)))).collect()
    }

    fn of(records: &[&Record]) -> Self {
        let kept = records.iter().filter(|record| record.kept()).count();
        let answers: Vec<Completed> = records.iter().filter_map(|record| record.answer()).collect();
        let wait = |record: &&Record| match record.fate {
            Fate::Completed { wait, .. } => Some(wait),
            _ => None,
        };
        let of_answers = |time: fn(&Completed) -> Option<Duration>| answers.iter().filter_map(time).collect();
        let times = [
            of_answers(|answer| Some(answer.ttft)),
            of_answers(Completed::tpot),
            of_answers(|answer| Some(answer.latency_per_token())),
            records.iter().filter_map(wait).collect(),
        ];
        Self {
            attainment: kept as f64 / records.len().max(1) as f64,
            requests: records.len(),
            refused: records.iter().filter(|record| matches!(record.fate, Fate::Refused(_))).count(),
            times: times.map(Percentiles::of),
        }
    }
}

// === impl Summary ===

impl Summary {
    /// Of runs that each have figures of all requests and of each class.
    pub fn of_all_and_each_class(runs: &[Vec<Figures>], classes: &[Class]) -> Vec<Self> {
        let classes = std::iter::once("all").chain(classes.iter().map(|class| class.name()));
        let of = |(position, class)| {
            let figures: Vec<&Figures> = runs.iter().filter_map(|run| run.get(position)).collect();
            Self::of(class, &figures)
        };
        classes.enumerate().filter_map(of).collect()
    }

    fn of(class: &'static str, runs: &[&Figures]) -> Option<Self> {
        let attainment_of_runs: Vec<f64> = runs.iter().map(|run| run.attainment).collect();
        let times = TIMES.iter().enumerate().filter_map(|(position, what)| {
            let percentiles = || runs.iter().filter_map(|run| run.times[position]);
            let mean = |of: fn(Percentiles) -> f64| Interval::of(&percentiles().map(of).collect::<Vec<_>>());
            Some(Times { what, p50: mean(|times| times.p50)?.mean, p99: mean(|times| times.p99)?.mean })
        });
        Some(Self {
            class,
            attainment: Interval::of(&attainment_of_runs)?,
            attainment_of_runs,
            requests: runs.iter().map(|run| run.requests).sum(),
            refused: runs.iter().map(|run| run.refused).sum(),
            times: times.collect(),
        })
    }
}
