//! Sweeps and a server for the tests.

use std::collections::VecDeque;
use std::time::Duration;

use laboratory::engine::{Event, EventKind, Gauges, IterationCosts, Prompt, RequestId, SubmitError};
use laboratory::simulation::contender::Contender;
use laboratory::simulation::scenario::Scenario;
use laboratory::simulation::server::{Server, Status};
use laboratory::simulation::shipped::Filter;
use laboratory::simulation::sweep::Sweep;
use serde_json::Map;
use slo_router::scheduling::time::Instant;

pub fn seed_a() -> Scenario {
    Scenario::named("seed-a").unwrap()
}

pub fn sweep(contenders: Vec<Contender>) -> Sweep {
    let scenario = seed_a();
    let filter = Filter::new(&scenario, scenario.profiles, &Map::new()).unwrap();
    Sweep {
        scenario,
        contenders,
        rates_per_s: vec![3.0],
        seeds: vec![1],
        warm_up: Duration::ZERO,
        measured: Duration::from_secs(10),
        workers: 3,
        filter,
    }
}

pub fn short_sweep() -> Sweep {
    Sweep { rates_per_s: vec![3.0, 6.0], seeds: vec![1, 2], ..sweep(Contender::all().collect()) }
}

/// One request at a time, first come first served, each for an exponential time whatever its lengths.
pub struct Exponential {
    mean_s: f64,
    rng: fastrand::Rng,
    waiting: VecDeque<RequestId>,
    ends_at: Option<Instant>,
}

impl Exponential {
    pub fn new(rate_per_s: f64, seed: u64) -> Self {
        Self { mean_s: 1.0 / rate_per_s, rng: fastrand::Rng::with_seed(seed), waiting: VecDeque::new(), ends_at: None }
    }

    fn start(&mut self, now: Instant) {
        let service_s = -self.mean_s * (1.0 - self.rng.f64()).ln();
        self.ends_at = (!self.waiting.is_empty()).then(|| now.offset_seconds(service_s));
    }
}

impl Server for Exponential {
    fn submit(&mut self, id: RequestId, _prompt: Prompt, _output: u32, now: Instant) -> Result<(), SubmitError> {
        self.waiting.push_back(id);
        if self.ends_at.is_none() {
            self.start(now);
        }
        Ok(())
    }

    fn next_event_at(&self) -> Option<Instant> {
        self.ends_at
    }

    fn advance(&mut self, to: Instant) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(at) = self.ends_at.filter(|at| *at <= to)
            && let Some(id) = self.waiting.pop_front()
        {
            events.push(Event { id, kind: EventKind::Finished { cached_tokens: 0 }, at });
            self.start(at);
        }
        events
    }
    fn status(&self, _prompt: Prompt) -> Status {
        let costs = IterationCosts {
            fixed_s: self.mean_s,
            per_sequence_s: 0.0,
            weights_s: 0.0,
            per_context_token_s: 0.0,
            per_computed_token_s: 0.0,
        };
        let gauges = Gauges { running: 0, waiting: self.waiting.len(), kv_blocks_used: 0, kv_blocks: 1 };
        Status { cached_tokens: 0, gauges, iteration_costs: costs }
    }
}
