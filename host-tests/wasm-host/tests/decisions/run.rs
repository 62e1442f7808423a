//! One run, natively and compiled.

use std::fmt;
use std::time::Duration;

use laboratory::simulation::gateway::Gateway;
use laboratory::simulation::record::START;
use laboratory::simulation::scenario::Scenario;
use laboratory::simulation::shipped::{Filter, Lengths, Shipped};
use laboratory::simulation::world;
use serde_json::{Map, Value};
use slo_router::scheduling::policies::PolicyName;

use crate::compiled::Compiled;
use crate::log::{Decision, Logged};

/// Time in which requests arrive.
const SPAN: Duration = Duration::from_secs(60);

/// Setup of a run.
#[derive(Debug)]
pub struct Setup {
    pub workers: usize,
    pub rate_per_s: f64,
    /// Configuration of the filter beyond its defaults.
    pub filter: &'static str,
}

/// Below saturation, which is at some 7 requests/s, and above, where requests wait and are refused.
pub const ALL_SETUPS: [Setup; 5] = [
    Setup { workers: 2, rate_per_s: 3.0, filter: "{}" },
    Setup { workers: 4, rate_per_s: 3.0, filter: r#"{"prediction": {"kind": "draw"}}"# },
    Setup { workers: 4, rate_per_s: 10.0, filter: "{}" },
    Setup { workers: 2, rate_per_s: 10.0, filter: r#"{"queue": {"max_wait": "10s", "max_requests": 15}}"# },
    Setup {
        workers: 4,
        rate_per_s: 10.0,
        filter: r#"{"prediction": {"kind": "draw"}, "queue": {"late": "reject"}, "slo": {"infeasible": "reject"},
            "profiles": {"correct": false}}"#,
    },
];

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub policy: PolicyName,
    pub setup: &'static Setup,
    pub seed: u64,
}

// === impl Run ===

impl Run {
    /// Returns what the simulation's own gateway decides.
    pub fn native(&self) -> Vec<Decision> {
        let (scenario, filter) = self.scenario();
        let (policy, workers) = (self.policy, self.setup.workers);
        self.log(&scenario, Shipped::new(&filter, policy, Lengths::Learned, workers, self.seed, START))
    }

    /// Returns what the compiled filter decides, with the random numbers of this seed.
    pub fn compiled(&self, seed: u64) -> Vec<Decision> {
        let (scenario, filter) = self.scenario();
        let gateway = Compiled::new(&filter.json(self.policy), &scenario.cluster.pods, self.setup.workers, seed, START);
        self.log(&scenario, gateway)
    }

    fn log(&self, scenario: &Scenario, gateway: impl Gateway) -> Vec<Decision> {
        let demands = scenario.demands(self.setup.rate_per_s, SPAN, self.seed);
        let mut gateway = Logged::new(gateway);
        let outcome = world::run(&demands, scenario.cluster.servers(self.seed).unwrap(), &mut gateway);
        assert!(outcome.is_ok(), "{self}: {}", outcome.unwrap_err());
        gateway.into_log()
    }

    fn scenario(&self) -> (Scenario, Filter) {
        let scenario = Scenario::named("seed-a").unwrap();
        let changes: Map<String, Value> = serde_json::from_str(self.setup.filter).unwrap();
        let filter = Filter::new(&scenario, scenario.profiles, &changes).unwrap();
        (scenario, filter)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, setup: Setup { workers, rate_per_s, filter }, seed } = self;
        write!(f, "{policy}, {workers} workers, {rate_per_s} requests/s, seed {seed}, filter {filter}")
    }
}
