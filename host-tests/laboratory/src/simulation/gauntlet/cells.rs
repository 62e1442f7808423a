//! The cells of the gauntlet.
//!
//! Not all combinations, which would be some ten thousand. Each scenario meets all of its loads; workers and beliefs go round in
//! between so that each pair of load, workers and belief occurs somewhere. The short gauntlet is a part of the cells, with the
//! same runs in each, so that its verdicts are the long one's.

use std::fmt;

use anyhow::{Context as _, Result};

use crate::simulation::belief::Belief;
use crate::simulation::scenario::Scenario;

/// One set of circumstances.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Traffic, objective and cluster.
    pub scenario: Scenario,
    /// `true` if pods of one deployment are alike at each moment.
    pub pods_are_alike: bool,
    /// The arrival rate as a multiple of the scenario's crossing.
    pub load: f64,
    /// Envoy's workers.
    pub workers: usize,
    /// Profiles that the gateway is given of its pods.
    pub belief: Belief,
    /// `true` if the short gauntlet has it.
    pub is_short: bool,
}

/// A scenario in the gauntlet.
struct Ground {
    scenario: &'static str,
    pods_are_alike: bool,
    loads: &'static [f64],
    /// Positions among the loads of what the short gauntlet has.
    short: &'static [usize],
}

/// All loads: from a third of what weighted least-request can do to four times it.
const LOADS: [f64; 8] = [0.3, 0.6, 0.86, 1.0, 1.3, 1.6, 2.0, 4.0];
const WORKERS: [usize; 4] = [1, 2, 4, 8];

/// In the order of the table. Loads of clusters that cost most to simulate are fewer.
const GROUNDS: [Ground; 35] = [
    Ground::new("seed-a", &[2, 5]),
    Ground::new("seed-b", &[4]),
    Ground::new("seed-c", &[2]),
    Ground::new("seed-e2e", &[6]),
    Ground::new("seed-in-turn", &[5]),
    Ground::new("seed-by-class", &[3]),
    Ground::new("bunches-a", &[2]),
    Ground::new("burst-a", &[4]),
    Ground::new("day-a", &[3]),
    Ground::new("azure-chat-b", &[2]),
    Ground::new("azure-code-c", &[4]),
    Ground::new("one-token", &[3]),
    Ground::new("huge-prompts", &[2]),
    Ground::new("steep-two", &[2, 4]),
    Ground::new("steep-two-at-once", &[2]),
    Ground::new("steep-two-regular-at-once", &[2]),
    Ground::new("steep-two-uneven", &[3]),
    Ground::new("steep-four", &[2]),
    Ground::new("flat-three", &[3]),
    Ground::new("few-slots-five", &[2, 4]),
    Ground::new("llama-cpp-three", &[2, 5]),
    Ground::new("small-cache-three", &[3, 5]),
    Ground::new("chunks-three", &[2]),
    Ground::new("whole-prompts-three", &[3]),
    Ground::new("non-linear-b", &[4]),
    Ground::unlike("noisy-a", &[2]),
    Ground::new("warming-a", &[2]),
    Ground::unlike("turning-slow-a", &[2, 4]),
    Ground::new("system-prompt", &[2, 4]),
    Ground::new("system-prompt-untold", &[3]),
    Ground::new("agents", &[2]),
    Ground::new("agents-untold", &[3]),
    Ground::new("one-l20-b", &[3, 6]),
    Ground { loads: &[0.6, 1.0, 1.6], ..Ground::new("twenty-a", &[]) },
    Ground { loads: &[0.6, 1.3], ..Ground::new("hundred", &[]) },
];

/// All cells.
///
/// # Errors
/// Where a scenario is unknown.
pub fn all() -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for (number, ground) in GROUNDS.iter().enumerate() {
        let scenario = Scenario::named(ground.scenario).map_err(anyhow::Error::msg).context("the gauntlet")?;
        for (position, load) in ground.loads.iter().enumerate() {
            cells.push(Cell {
                scenario: scenario.clone(),
                pods_are_alike: ground.pods_are_alike,
                load: *load,
                workers: WORKERS[(position + number / 2 + number / 8) % WORKERS.len()],
                belief: belief(number + position),
                is_short: ground.short.contains(&position),
            });
        }
    }
    Ok(cells)
}

/// Half of the gateways are told the truth.
fn belief(number: usize) -> Belief {
    match number % 8 {
        1 => Belief::Nothing,
        3 => Belief::Faster(0.5),
        5 => Belief::Swapped,
        7 => Belief::Faster(2.0),
        _ => Belief::Measured,
    }
}

// === impl Ground ===

impl Ground {
    const fn new(scenario: &'static str, short: &'static [usize]) -> Self {
        Self { scenario, pods_are_alike: true, loads: &LOADS, short }
    }

    const fn unlike(scenario: &'static str, short: &'static [usize]) -> Self {
        Self { pods_are_alike: false, ..Self::new(scenario, short) }
    }
}

// === impl Cell ===

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}/w{}/{}", self.scenario.name, self.load, self.workers, self.belief)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_pair_of_load_workers_and_belief_occurs() {
        let cells = all().unwrap();
        let beliefs: BTreeSet<_> = (0..8).map(|number| belief(number).to_string()).collect();
        let occurs = |meets: &dyn Fn(&Cell) -> bool| cells.iter().any(meets);
        for load in LOADS {
            assert!(WORKERS.iter().all(|workers| occurs(&|cell| cell.load == load && cell.workers == *workers)));
            assert!(
                beliefs.iter().all(|belief| occurs(&|cell| cell.load == load && cell.belief.to_string() == *belief))
            );
        }
        for workers in WORKERS {
            let meets = |belief: &String| occurs(&|cell| cell.workers == workers && cell.belief.to_string() == *belief);
            assert!(beliefs.iter().all(meets), "{workers}");
        }
    }

    #[test]
    fn names_tell_cells_apart_and_each_scenario_that_is_cheap_is_in_the_short_gauntlet() {
        let cells = all().unwrap();
        let names: BTreeSet<_> = cells.iter().map(Cell::to_string).collect();
        assert_eq!(names.len(), cells.len());
        for ground in GROUNDS.iter().filter(|ground| ground.loads.len() == LOADS.len()) {
            assert!(cells.iter().any(|cell| cell.is_short && cell.scenario.name == ground.scenario));
        }
    }
}
