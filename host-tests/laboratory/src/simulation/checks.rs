//! Checks that a sweep over steady loads does not make: how long a burst is felt, and what is kept
//! before anything was learned.

use std::time::Duration;

use anyhow::Result;
use rayon::prelude::*;
use serde::Serialize;

use crate::simulation::contender::Contender;
use crate::simulation::interval::Interval;
use crate::simulation::record::Record;
use crate::simulation::scenario::{Demand, Scenario};
use crate::simulation::sweep::Sweep;
use crate::simulation::usage::Window;

/// Time before a burst: queues are as long as they get, and lengths are learned.
const CALM: Duration = Duration::from_secs(240);
/// Length of a burst.
const BURST: Duration = Duration::from_secs(30);
/// Time after it.
const AFTER: Duration = Duration::from_secs(180);
/// A burst's rate as a multiple of the rate at which the reference keeps 95 %.
const BURST_FACTOR: f64 = 1.5;
/// Attainment is told for spans of so long.
const SLICE: Duration = Duration::from_secs(30);
/// Time for which a cold start is observed.
const COLD: Duration = Duration::from_secs(180);

/// Something that is not a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Half load, 30 s of one and a half times, half load.
    Burst,
    /// Half load from an empty gateway on: nothing is known of lengths, capacities, step times.
    ColdStart,
}

/// Attainment in a span of arrivals.
#[derive(Clone, Debug, Serialize)]
pub struct Slice {
    /// Start of the span, seconds; of a burst, from its end on.
    pub from_s: f64,
    /// End of the span.
    pub to_s: f64,
    /// Share of its arrivals that kept their objective, mean over the runs.
    pub attainment: Option<Interval>,
}

// === impl Check ===

impl Check {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Burst, Self::ColdStart];

    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::ColdStart => "cold-start",
        }
    }

    /// Runs it for a policy with the sweep's scenario, seeds and workers. Full load is where the reference keeps 95 %.
    ///
    /// # Errors
    /// Where a run breaks an invariant.
    pub fn run(self, sweep: &Sweep, contender: Contender, full_load_per_s: f64) -> Result<Vec<Slice>> {
        let contender = match self {
            Self::Burst => contender,
            Self::ColdStart => contender.knowing_nothing(),
        };
        let run = |seed: &u64| {
            let demands = self.demands(&sweep.scenario, full_load_per_s, *seed);
            let past = sweep.past(full_load_per_s / 2.0, *seed);
            let run = sweep.records(contender, &demands, &past, *seed)?;
            Ok(self.slices().map(|window| kept(&run.records, window)).collect())
        };
        let runs: Vec<Vec<Option<f64>>> = sweep.seeds.par_iter().map(run).collect::<Result<_>>()?;
        let origin_s = self.origin().as_secs_f64();
        let slice = |(position, Window { from, to }): (usize, Window)| {
            let of_runs: Vec<f64> = runs.iter().filter_map(|run| run[position]).collect();
            let [from_s, to_s] = [from, to].map(|at| at.as_secs_f64() - origin_s);
            Slice { from_s, to_s, attainment: Interval::of(&of_runs) }
        };
        Ok(self.slices().enumerate().map(slice).collect())
    }

    /// Returns the instant that times count from.
    fn origin(self) -> Duration {
        match self {
            Self::Burst => CALM + BURST,
            Self::ColdStart => Duration::ZERO,
        }
    }

    fn slices(self) -> impl Iterator<Item = Window> {
        let (from, to) = match self {
            Self::Burst => (CALM - 2 * SLICE, CALM + BURST + AFTER),
            Self::ColdStart => (Duration::ZERO, COLD),
        };
        let starts = std::iter::successors(Some(from), |from| Some(*from + SLICE));
        starts.take_while(move |from| *from < to).map(|from| Window { from, to: from + SLICE })
    }

    fn demands(self, scenario: &Scenario, full_load_per_s: f64, seed: u64) -> Vec<Demand> {
        let half = full_load_per_s / 2.0;
        let phases = match self {
            Self::Burst => vec![(half, CALM), (BURST_FACTOR * full_load_per_s, BURST), (half, AFTER)],
            Self::ColdStart => vec![(half, COLD)],
        };
        let mut begin = Duration::ZERO;
        let mut arrivals = Vec::new();
        for (number, (rate_per_s, span)) in (0..).zip(phases) {
            // Each phase has other requests.
            let mut phase = (scenario.workload)(rate_per_s, span, seed.rotate_left(16) ^ number);
            phase.iter_mut().for_each(|arrival| arrival.at += begin);
            arrivals.append(&mut phase);
            begin += span;
        }
        scenario.with_objectives(arrivals)
    }
}

/// Of the arrivals in the window; `None` without any.
fn kept(records: &[Record], window: Window) -> Option<f64> {
    let arrived: Vec<_> = records.iter().filter(|record| window.contains(record.arrival.at)).collect();
    let kept = arrived.iter().filter(|record| record.kept()).count();
    (!arrived.is_empty()).then(|| kept as f64 / arrived.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_three_times_as_dense_as_what_surrounds_it() {
        let scenario = Scenario::named("seed-a").unwrap();
        let demands = Check::Burst.demands(&scenario, 20.0, 1);
        let within =
            |from: Duration, to| demands.iter().filter(|demand| (from..to).contains(&demand.arrival.at)).count();
        let per_s = |from: Duration, to: Duration| within(from, to) as f64 / (to - from).as_secs_f64();
        let calm = [per_s(Duration::ZERO, CALM), per_s(CALM + BURST, CALM + BURST + AFTER)];
        assert!(calm.iter().all(|rate| (rate - 10.0).abs() < 1.0), "{calm:?}");
        assert!((per_s(CALM, CALM + BURST) - 30.0).abs() < 4.0);
        assert!(demands.is_sorted_by_key(|demand| demand.arrival.at));
    }

    #[test]
    fn slices_of_a_burst_count_from_its_end() {
        let slices: Vec<_> = Check::Burst.slices().collect();
        assert_eq!(slices[2], Window { from: CALM, to: CALM + BURST });
        assert_eq!(slices[3].from, Check::Burst.origin());
    }
}
