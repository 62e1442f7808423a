//! NVIDIA Dynamo's KV router, by its documents: the least of the blocks that would be computed and of
//! those that would be held. Workers report their caches by events, so the overlap is exact.

use std::collections::HashMap;

use super::{Pod, Rating, Request, Rule};
use crate::engine::{BLOCK_TOKENS, BlockKey};

/// Credit for a block in the GPU's cache, and weight of the blocks to compute.
const OVERLAP_CREDIT: f64 = 1.0;
const PREFILL_WEIGHT: f64 = 1.0;

/// See the module.
#[derive(Debug)]
pub(super) struct Dynamo {
    /// On each pod the blocks of requests in flight, and by how many each is held.
    active: Vec<HashMap<BlockKey, u32>>,
}

// === impl Dynamo ===

impl Dynamo {
    pub(super) fn new(pods: usize) -> Self {
        Self { active: vec![HashMap::new(); pods] }
    }
}

impl Rule for Dynamo {
    fn rate(&mut self, request: &Request, pods: &[Pod<'_>]) -> Vec<Rating> {
        let rating = |(pod, active): (&Pod<'_>, &HashMap<BlockKey, u32>)| {
            let cached_tokens = pod.status.cached_tokens;
            let computed = pod.uncached_tokens() as f64 + f64::from(request.prompt.tokens);
            let prefill = (computed - OVERLAP_CREDIT * f64::from(cached_tokens)).max(0.0) / f64::from(BLOCK_TOKENS);
            let new = request.blocks(BLOCK_TOKENS).filter(|block| !active.contains_key(block)).count();
            Rating { cost: PREFILL_WEIGHT * prefill + (active.len() + new) as f64, cached_tokens }
        };
        pods.iter().zip(&self.active).map(rating).collect()
    }

    fn place(&mut self, request: &Request, pod: usize) {
        for block in request.blocks(BLOCK_TOKENS) {
            *self.active[pod].entry(block).or_default() += 1;
        }
    }

    fn finish(&mut self, request: &Request, pod: usize) {
        for block in request.blocks(BLOCK_TOKENS) {
            let Some(holders) = self.active[pod].get_mut(&block) else { continue };
            *holders -= 1;
            if *holders == 0 {
                self.active[pod].remove(&block);
            }
        }
    }
}
