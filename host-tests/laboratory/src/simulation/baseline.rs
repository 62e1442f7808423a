//! Policies that the filter does not ship, to compare with: each pushes a request to a pod when it comes. Requests in
//! flight are those of all workers, as Envoy counts them.

use slo_router::scheduling::load::Load;
use slo_router::scheduling::slo::Outcome;
use slo_router::scheduling::time::Instant;

use crate::simulation::gateway::{Gateway, RequestNumber, Verdict};
use crate::simulation::scenario::Demand;

/// Policy of a [`Pusher`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// Fewest requests in flight; at random among equals. All pods weigh the same.
    PlainLeastRequest,
    /// Fewest requests in flight, this one included, relative to the pod's weight; at random among equals.
    WeightedLeastRequest,
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
    weights: Vec<f64>,
    /// For each worker the pod that comes next.
    turns: Vec<usize>,
    pods: Vec<usize>,
    rng: fastrand::Rng,
}

// === impl Baseline ===

impl Baseline {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::PlainLeastRequest, Self::WeightedLeastRequest, Self::RoundRobin, Self::PowerOfTwo];

    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PlainLeastRequest => "plain-least-request",
            Self::WeightedLeastRequest => "weighted-least-request",
            Self::RoundRobin => "round-robin",
            Self::PowerOfTwo => "power-of-two",
        }
    }
}

// === impl Pusher ===

impl Pusher {
    /// Over pods of these weights, at least one, and so many workers.
    pub fn new(which: Baseline, weights: Vec<f64>, workers: usize, seed: u64) -> Self {
        let pods = weights.len();
        let mut rng = fastrand::Rng::with_seed(seed);
        let turns = (0..workers).map(|_| rng.usize(0..pods)).collect();
        // Where each request went is added as it comes.
        Self { which, in_flight: vec![0; pods], weights, turns, pods: Vec::new(), rng }
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
            Baseline::PlainLeastRequest => self.least(|this, pod| f64::from(this.in_flight[pod])),
            Baseline::WeightedLeastRequest => {
                self.least(|this, pod| f64::from(this.in_flight[pod] + 1) / this.weights[pod])
            }
        }
    }

    fn least(&mut self, measure: impl Fn(&Self, usize) -> f64) -> usize {
        let measures: Vec<f64> = (0..self.in_flight.len()).map(|pod| measure(self, pod)).collect();
        let lowest = measures.iter().copied().fold(f64::INFINITY, f64::min);
        let lowest: Vec<_> = (0..measures.len()).filter(|pod| measures[*pod] <= lowest).collect();
        lowest[self.rng.usize(0..lowest.len())]
    }
}

impl Gateway for Pusher {
    fn arrive(&mut self, id: RequestNumber, _demand: &Demand, _now: Instant) -> Vec<Verdict> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(which: Baseline, in_flight: &[u32], worker: usize) -> Vec<usize> {
        let mut pusher = Pusher {
            in_flight: in_flight.to_vec(),
            ..Pusher::new(which, vec![1.0, 1.0, 4.0, 1.0][..in_flight.len()].to_vec(), 2, 1)
        };
        (0..50).map(|_| pusher.choose(worker)).collect()
    }

    #[test]
    fn least_request_takes_all_of_those_with_fewest() {
        let chosen = chosen(Baseline::PlainLeastRequest, &[1, 0, 2, 0], 0);
        assert!(chosen.contains(&1) && chosen.contains(&3) && chosen.iter().all(|pod| [1, 3].contains(pod)));
    }

    #[test]
    fn weighted_least_request_takes_the_pod_whose_weight_leaves_it_idlest() {
        assert!(chosen(Baseline::WeightedLeastRequest, &[1, 1, 6], 0).iter().all(|pod| *pod == 2));
        assert!(chosen(Baseline::WeightedLeastRequest, &[0, 1, 4], 0).iter().all(|pod| *pod == 0));
    }

    #[test]
    fn of_two_pods_power_of_two_takes_the_idler_and_of_three_never_the_busiest() {
        assert!(chosen(Baseline::PowerOfTwo, &[1, 0], 0).iter().all(|pod| *pod == 1));
        let chosen = chosen(Baseline::PowerOfTwo, &[1, 2, 0], 0);
        assert!(chosen.contains(&0) && chosen.contains(&2) && !chosen.contains(&1));
    }

    #[test]
    fn round_robin_goes_round() {
        let chosen = chosen(Baseline::RoundRobin, &[9, 0, 0], 1);
        assert!(chosen.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 3));
    }
}
