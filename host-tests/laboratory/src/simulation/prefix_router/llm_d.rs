//! llm-d's router, by the documents of its plugins. Both rules share the approximate index of its
//! `approx-prefix-cache-producer`, with as many blocks a pod as its engine reports.

use super::{Pod, Rating, Request, Rule};
use crate::engine::{BLOCK_TOKENS, LruBlocks};

/// Tokens of a block of the index.
pub(super) const INDEX_BLOCK_TOKENS: u32 = 64;
/// Share of the prompt from which on a pod's match counts as affinity.
const AFFINITY: f64 = 0.80;
/// Seconds by which the first token may be later on the best pod with affinity (`maxTTFTPenaltyMs`).
const MOST_PENALTY_S: f64 = 18.0;
/// Tokens per second that a pod is taken to prefill (`peakPrefillThroughput`).
const PREFILL_PER_S: f64 = 15_928.0;
/// Weights of the scorers.
const PREFIX_WEIGHT: f64 = 3.0;
const QUEUE_WEIGHT: f64 = 2.0;
const KV_WEIGHT: f64 = 2.0;

/// The approximate indexes of all pods.
#[derive(Debug)]
struct Indexes {
    of_pods: Vec<LruBlocks>,
    /// Blocks that each may hold, as last reported.
    capacities: Vec<usize>,
}

/// The affinity filter keeps the pods with most of the prompt, unless their first token would come
/// much later; of those left, the token-load scorer takes the one with the fewest tokens to compute.
#[derive(Debug)]
pub(super) struct Affinity(Indexes);

/// The pod with the highest weighted score.
#[derive(Debug)]
pub(super) struct Scorers(Indexes);

// === impl Indexes ===

impl Indexes {
    fn new(pods: usize) -> Self {
        Self { of_pods: vec![LruBlocks::default(); pods], capacities: vec![0; pods] }
    }

    /// Returns how many tokens of the prompt each pod is expected to have, in whole blocks.
    fn matched_tokens(&mut self, request: &Request, pods: &[Pod<'_>]) -> Vec<u32> {
        let blocks = |pod: &Pod<'_>| (pod.status.gauges.kv_blocks * BLOCK_TOKENS / INDEX_BLOCK_TOKENS) as usize;
        self.capacities = pods.iter().map(blocks).collect();
        let matched = |index: &LruBlocks| index.matched(request.blocks(INDEX_BLOCK_TOKENS)) as u32;
        self.of_pods.iter().map(|index| matched(index) * INDEX_BLOCK_TOKENS).collect()
    }

    fn record(&mut self, request: &Request, pod: usize) {
        self.of_pods[pod].record(request.blocks(INDEX_BLOCK_TOKENS), self.capacities[pod]);
    }
}

/// The share of the prompt's whole blocks that match.
fn ratio(request: &Request, matched_tokens: u32) -> f64 {
    f64::from(matched_tokens / INDEX_BLOCK_TOKENS) / f64::from((request.prompt.tokens / INDEX_BLOCK_TOKENS).max(1))
}

// === impl Affinity ===

impl Affinity {
    pub(super) fn new(pods: usize) -> Self {
        Self(Indexes::new(pods))
    }
}

impl Rule for Affinity {
    fn rate(&mut self, request: &Request, pods: &[Pod<'_>]) -> Vec<Rating> {
        let matched = self.0.matched_tokens(request, pods);
        let has_affinity: Vec<bool> = matched.iter().map(|matched| ratio(request, *matched) >= AFFINITY).collect();
        let earliest_s = |of: bool| {
            let candidates = pods.iter().zip(&has_affinity).filter(|(_, has)| **has == of);
            let ttfts = candidates.map(|(pod, _)| pod.uncached_tokens() as f64 / PREFILL_PER_S);
            ttfts.fold(f64::INFINITY, f64::min)
        };
        let (best_s, best_other_s) = (earliest_s(true), earliest_s(false));
        let is_filtered = best_s.is_finite() && best_s - best_other_s <= MOST_PENALTY_S;
        let rating = |((pod, cached_tokens), has_affinity): ((&Pod<'_>, u32), bool)| {
            let tokens = pod.uncached_tokens() + u64::from(request.prompt.tokens - cached_tokens);
            let cost = if is_filtered && !has_affinity { f64::INFINITY } else { tokens as f64 };
            Rating { cost, cached_tokens }
        };
        pods.iter().zip(matched).zip(has_affinity).map(rating).collect()
    }

    fn place(&mut self, request: &Request, pod: usize) {
        self.0.record(request, pod);
    }
}

// === impl Scorers ===

impl Scorers {
    pub(super) fn new(pods: usize) -> Self {
        Self(Indexes::new(pods))
    }
}

impl Rule for Scorers {
    fn rate(&mut self, request: &Request, pods: &[Pod<'_>]) -> Vec<Rating> {
        let matched = self.0.matched_tokens(request, pods);
        let queue = |pod: &Pod<'_>| pod.status.gauges.waiting as f64;
        let shortest = pods.iter().map(queue).fold(f64::INFINITY, f64::min);
        let longest = pods.iter().map(queue).fold(0.0, f64::max);
        let rating = |(pod, cached_tokens): (&Pod<'_>, u32)| {
            // The queues are scaled to those that there are; all are equally good where they are alike.
            let queue = if longest > shortest { (longest - queue(pod)) / (longest - shortest) } else { 1.0 };
            let score = PREFIX_WEIGHT * ratio(request, cached_tokens)
                + QUEUE_WEIGHT * queue
                + KV_WEIGHT * (1.0 - pod.status.gauges.kv_usage());
            Rating { cost: -score, cached_tokens }
        };
        pods.iter().zip(matched).map(rating).collect()
    }

    fn place(&mut self, request: &Request, pod: usize) {
        self.0.record(request, pod);
    }
}
