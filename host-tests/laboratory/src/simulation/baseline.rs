//! Policies that the filter does not ship, to compare with: each pushes a request to a pod when it comes. Requests in
//! flight are those of all workers, as Envoy counts them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use slo_router::scheduling::load::Load;
use slo_router::scheduling::slo::Outcome;
use slo_router::scheduling::time::Instant;

use crate::engine::Content;
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
    /// Requests that [begin alike](crate::engine::Prompt::prefix_group), such as the turns of a conversation, on one pod, whatever it runs: by
    /// rendezvous hashing with the pods' weights.
    Sticky,
    /// The pod that had the last request that [began alike](crate::engine::Prompt::prefix_group); others, and all while requests in flight differ
    /// much, go where [`Self::WeightedLeastRequest`] sends them. So are SMG's and SGLang's `cache_aware`, but for trees of texts: this one is
    /// told which requests begin alike.
    CacheAware,
}

/// Requests in flight by which the busiest pod must exceed the idlest, and the ratio of theirs, for [`Baseline::CacheAware`] to take them for
/// unbalanced: SMG's defaults.
const IMBALANCE: (u32, f64) = (64, 1.5);

/// One of them at work.
#[derive(Debug)]
pub struct Pusher {
    which: Baseline,
    in_flight: Vec<u32>,
    weights: Vec<f64>,
    /// For each worker the pod that comes next.
    turns: Vec<usize>,
    pods: Vec<usize>,
    /// The pod that had the last request of those that begin alike.
    homes: HashMap<Content, usize>,
    rng: fastrand::Rng,
}

// === impl Baseline ===

impl Baseline {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::PlainLeastRequest,
        Self::WeightedLeastRequest,
        Self::RoundRobin,
        Self::PowerOfTwo,
        Self::Sticky,
        Self::CacheAware,
    ];

    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PlainLeastRequest => "plain-least-request",
            Self::WeightedLeastRequest => "weighted-least-request",
            Self::RoundRobin => "round-robin",
            Self::PowerOfTwo => "power-of-two",
            Self::Sticky => "sticky",
            Self::CacheAware => "cache-aware",
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
        Self { which, in_flight: vec![0; pods], weights, turns, pods: Vec::new(), homes: HashMap::new(), rng }
    }

    fn choose(&mut self, worker: usize, group: Option<Content>) -> usize {
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
            Baseline::WeightedLeastRequest => self.weighted_least(),
            Baseline::Sticky => match group {
                Some(group) => self.rendezvous(group),
                None => self.weighted_least(),
            },
            Baseline::CacheAware => {
                let (most, least) = self
                    .in_flight
                    .iter()
                    .fold((0, u32::MAX), |(most, least), count| (most.max(*count), least.min(*count)));
                let (difference, ratio) = IMBALANCE;
                let is_balanced = most - least <= difference || f64::from(most) <= ratio * f64::from(least);
                let home = group.and_then(|group| self.homes.get(&group)).filter(|_| is_balanced).copied();
                let pod = home.unwrap_or_else(|| self.weighted_least());
                self.homes.extend(group.map(|group| (group, pod)));
                pod
            }
        }
    }

    fn weighted_least(&mut self) -> usize {
        self.least(|this, pod| f64::from(this.in_flight[pod] + 1) / this.weights[pod])
    }

    /// The pod of requests that begin alike: each is that of as many as its share of all weights.
    fn rendezvous(&self, group: Content) -> usize {
        let score = |pod: usize| {
            let mut hasher = DefaultHasher::new();
            (group, pod).hash(&mut hasher);
            let uniform = fastrand::Rng::with_seed(hasher.finish()).f64();
            -uniform.ln() / self.weights[pod]
        };
        (0..self.weights.len()).min_by(|one, other| score(*one).total_cmp(&score(*other))).unwrap_or_default()
    }

    fn least(&mut self, measure: impl Fn(&Self, usize) -> f64) -> usize {
        let measures: Vec<f64> = (0..self.in_flight.len()).map(|pod| measure(self, pod)).collect();
        any_of_least(&measures, &mut self.rng)
    }
}

/// Returns the position of the least of these, at least one; at random among equals.
pub(super) fn any_of_least(measures: &[f64], rng: &mut fastrand::Rng) -> usize {
    let lowest = measures.iter().copied().fold(f64::INFINITY, f64::min);
    let lowest: Vec<_> = (0..measures.len()).filter(|pod| measures[*pod] <= lowest).collect();
    lowest[rng.usize(0..lowest.len())]
}

impl Gateway for Pusher {
    fn arrive(&mut self, id: RequestNumber, demand: &Demand, _now: Instant) -> Vec<Verdict> {
        let pod = self.choose(id as usize % self.turns.len(), demand.arrival.prompt().prefix_group());
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
        (0..50).map(|_| pusher.choose(worker, None)).collect()
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

    fn conversation(number: u32) -> Option<Content> {
        Some(Content::conversation(number))
    }

    #[test]
    fn sticky_sends_a_conversation_to_one_pod_and_more_of_them_to_the_heavier() {
        let mut pusher = Pusher::new(Baseline::Sticky, vec![1.0, 3.0], 1, 1);
        let pods: Vec<usize> = (0..1_000).map(|number| pusher.choose(0, conversation(number))).collect();
        assert!((0..1_000).all(|number| pusher.choose(0, conversation(number)) == pods[number as usize]));
        let heavier: usize = pods.iter().sum();
        assert!((700..800).contains(&heavier), "{heavier}");
    }

    #[test]
    fn cache_aware_keeps_to_a_conversations_pod_until_it_has_far_more_than_the_others() {
        let mut pusher = Pusher::new(Baseline::CacheAware, vec![1.0, 1.0], 1, 1);
        let home = pusher.choose(0, conversation(1));
        pusher.in_flight[home] = 64;
        assert_eq!(pusher.choose(0, conversation(1)), home);
        pusher.in_flight[home] = 65;
        assert_ne!(pusher.choose(0, conversation(1)), home);
    }
}
