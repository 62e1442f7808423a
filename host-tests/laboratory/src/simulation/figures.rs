//! Figures of one run, and of several runs together.

use std::time::Duration;

use serde::Serialize;

use crate::completed::Completed;
use crate::percentiles::Percentiles;
use crate::simulation::balance::Balance;
use crate::simulation::interval::Interval;
use crate::simulation::record::{Fate, Record};
use crate::simulation::scenario::Pod;
use crate::simulation::usage::Window;
use crate::workload::Class;

/// Figures of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct OfRun {
    /// Of all requests, then of each class.
    pub requests: Vec<Figures>,
    /// The mean number of pods that had something to do.
    pub pods_in_use: f64,
    /// Cost of all pods per 1,000 requests that kept their objective, in the profiles' unit of cost
    /// times an hour. `None` if none did.
    pub cost_per_1000_kept: Option<f64>,
    /// Share of the tokens of answered prompts that pods had in their caches, 0 to 1.
    pub cached_share: f64,
    /// Mean share of the prompt by which the gateway's expectation of the pod's cache was off, of the
    /// answered requests for which it had one.
    pub expected_hit_error: Option<f64>,
    /// Balance of identical pods, where there are any.
    pub balance: Option<Balance>,
}

/// Figures of all requests of a run, or of one class.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Share of all arrivals that kept the objective, 0 to 1.
    pub attainment: f64,
    /// Arrivals.
    pub requests: usize,
    /// Of them, those that were refused.
    pub refused: usize,
    /// The longest that one waited at the gateway, refused ones too, seconds.
    pub longest_wait_s: f64,
    /// Times, in the order of [`TIMES`].
    pub times: [Option<Percentiles>; TIMES.len()],
}

/// Names of [`Figures::times`]: of answered requests, from their arrival at the gateway on.
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
    /// The longest wait at the gateway in any run, seconds.
    pub longest_wait_s: f64,
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

// === impl OfRun ===

impl OfRun {
    /// Of what arrived within the window on pods that cost so much each per hour.
    pub fn new(records: &[Record], classes: &[Class], window: Window, pods: &[Pod], costs_per_hour: &[f64]) -> Self {
        let requests = Figures::of_all_and_each_class(records, classes, window);
        let kept = requests.first().map_or(0.0, |all| all.attainment * all.requests as f64);
        let cost = costs_per_hour.iter().sum::<f64>() * window.seconds() / 3_600.0;
        Self {
            pods_in_use: window.pods_in_use(records, pods.len()),
            cached_share: cached_share(records, window),
            expected_hit_error: expected_hit_error(records, window),
            balance: Balance::of(records, pods, window),
            cost_per_1000_kept: (kept > 0.0).then(|| 1_000.0 * cost / kept),
            requests,
        }
    }
}

fn cached_share(records: &[Record], window: Window) -> f64 {
    let measured = records.iter().filter(|record| window.contains(record.arrival.at));
    let answered = measured.filter_map(|record| Some((record.cached_tokens()?, record.arrival.prompt_tokens)));
    let sum = |(cached, all): (u64, u64), (tokens, of): (u32, u32)| (cached + u64::from(tokens), all + u64::from(of));
    let (cached, all) = answered.fold((0, 0), sum);
    cached as f64 / all.max(1) as f64
}

fn expected_hit_error(records: &[Record], window: Window) -> Option<f64> {
    let measured = records.iter().filter(|record| window.contains(record.arrival.at));
    let errors: Vec<f64> = measured.filter_map(Record::expected_hit_error).collect();
    Some(Interval::of(&errors)?.mean)
}

// === impl Figures ===

impl Figures {
    /// Of all requests that arrived within the window, then of each class.
    pub fn of_all_and_each_class(records: &[Record], classes: &[Class], window: Window) -> Vec<Self> {
        let measured: Vec<&Record> = records.iter().filter(|record| window.contains(record.arrival.at)).collect();
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
            refused: records.iter().filter(|record| matches!(record.fate, Fate::Refused { .. })).count(),
            longest_wait_s: records.iter().map(|record| record.waited().as_secs_f64()).fold(0.0, f64::max),
            times: times.map(Percentiles::of),
        }
    }
}

// === impl Summary ===

impl Summary {
    /// Of runs that each have figures of all requests and of each class.
    pub fn of_all_and_each_class(runs: &[OfRun], classes: &[Class]) -> Vec<Self> {
        let classes = std::iter::once("all").chain(classes.iter().map(|class| class.name()));
        let of = |(position, class)| {
            let figures: Vec<&Figures> = runs.iter().filter_map(|run| run.requests.get(position)).collect();
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
            longest_wait_s: runs.iter().map(|run| run.longest_wait_s).fold(0.0, f64::max),
            times: times.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use slo_router::scheduling::slo::Slo;

    use super::*;
    use crate::simulation::scenario::Answering;
    use crate::workload::Arrival;

    /// Of 200 tokens of prompt, of which so many were expected in a cache and so many were there.
    fn record(at_s: u64, expected_cached_tokens: Option<u32>, cached_tokens: u32) -> Record {
        let at = Duration::from_secs(at_s);
        let answer = Completed { ttft: Duration::ZERO, e2e: Duration::ZERO, output_tokens: 1 };
        Record {
            arrival: Arrival { at, class: Class::Chat, prompt_tokens: 200, content: None, output_tokens: 1 },
            slo: Slo::default(),
            answering: Answering { streamed: true, tells_cached: true },
            expected_cached_tokens,
            fate: Fate::Completed { pod: 0, wait: Duration::ZERO, answer, cached_tokens },
        }
    }

    #[test]
    fn the_error_of_expected_hits_is_a_share_of_prompts_and_has_no_sign() {
        let window = Window { from: Duration::from_secs(1), to: Duration::from_secs(9) };
        let records = [record(0, Some(0), 200), record(1, Some(100), 50), record(2, Some(0), 50), record(3, None, 200)];
        assert_eq!(expected_hit_error(&records, window), Some(0.25));
        assert_eq!(expected_hit_error(&records[3..], window), None);
    }
}
