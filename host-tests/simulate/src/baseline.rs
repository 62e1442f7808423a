//! Policies that the filter does not ship, to compare with: each pushes a request to a pod when it comes. Requests in
//! flight are those of all workers, as Envoy counts them.

use evaluation::workload::Arrival;
use slo_router::scheduling::load::Load;
use slo_router::scheduling::slo::Outcome;
use slo_router::scheduling::time::Instant;

use crate::gateway::{Gateway, RequestNumber, Verdict};

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// Fewest requests in flight; at random among equals. All pods weigh the same.
    PlainLeastRequest,
    /// One after the other, each worker for itself.
    RoundRobin,
    /// Of two different pods at random the one with fewer requests in flight (Envoy's `LEAST_REQUEST`).
    PowerOfTwo,
}

/// One of them at work.
#[derive(Debug)]
pub struct Pusher {
    which: Baseline,
    in_flight: Vec<u32>,
    /// For each worker the pod that comes next.
    turns: Vec<usize>,
    pods: Vec<usize>,
    rng: fastrand::Rng,
}

// === impl Baseline ===

impl Baseline {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::PlainLeastRequest, Self::RoundRobin, Self::PowerOfTwo];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PlainLeastRequest => "plain-least-request",
            Self::RoundRobin => "round-robin",
            Self::PowerOfTwo => "power-of-two",
        }
    }
}

// === impl Pusher ===

impl Pusher {
    /// Over so many pods, at least one, and workers.
    pub fn new(which: Baseline, pods: usize, workers: usize, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let turns = (0..workers).map(|_| rng.usize(0..pods)).collect();
        // Where each request went is added as it comes.
        Self { which, in_flight: vec![0; pods], turns, pods: Vec::new(), rng }
    }

    fn choose(&mut self, worker: usize) -> usize {
        let pods = self.in_flight.len();
        match self.which {
            Baseline::RoundRobin => {
                let pod = self.turns[worker];
                self.turns[worker] = (pod + 1) % pods;
                pod
            }
            Baseline::PowerOfTwo => {
                let one = self.rng.usize(0..pods);
                let other = (one + self.rng.usize(1..pods.max(2))) % pods;
                if self.in_flight[other] < self.in_flight[one] { other } else { one }
            }
            Baseline::PlainLeastRequest => {
                let fewest = self.in_flight.iter().min().copied().unwrap_or_default();
                let least: Vec<_> = (0..pods).filter(|pod| self.in_flight[*pod] == fewest).collect();
                least[self.rng.usize(0..least.len())]
            }
        }
    }
}

impl Gateway for Pusher {
    fn arrive(&mut self, id: RequestNumber, _arrival: &Arrival, _now: Instant) -> Vec<Verdict> {
        let pod = self.choose(id as usize % self.turns.len());
        self.in_flight[pod] += 1;
        // Requests come in the order of their numbers.
        self.pods.push(pod);
        vec![Verdict::Place(id, pod, Load::ZERO)]
    }

    fn finish(&mut self, id: RequestNumber, _outcome: Outcome, _now: Instant) {
        self.in_flight[self.pods[id as usize]] -= 1;
    }
}
