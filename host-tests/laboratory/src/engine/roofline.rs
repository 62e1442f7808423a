//! The roofline of a GPU and a model.
//!
//! `time = max((weights + KV read) / bandwidth, FLOP / rate) + overhead`: decoding reads all weights for a token per
//! sequence and is bound by memory, prefill is bound by compute. Bandwidth and rate are the data sheet's, times the
//! efficiencies that [`super::gpu`] documents.

use std::time::Duration;

use super::gpu::{ACTIVATION_BYTES, BANDWIDTH_EFFICIENCY, COMPUTE_EFFICIENCY, Gpu, MEMORY_UTILISATION};
use super::model::Model;

/// Tokens of one KV-cache block (vLLM's default).
pub const BLOCK_TOKENS: u32 = 16;
/// Scheduling, kernel launches and sampling of an iteration, whatever is in it.
const OVERHEAD_S: f64 = 2e-3;
/// Sampling and detokenising one sequence.
const OVERHEAD_PER_SEQUENCE_S: f64 = 15e-6;

/// Work of one iteration.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    /// Sequences in the batch.
    pub sequences: u32,
    /// Tokens whose keys and values are computed.
    pub tokens: u64,
    /// Those of them that belong to prompts, or are computed again after a preemption.
    pub prompt_tokens: u64,
    /// Cached tokens that attention reads.
    pub context_tokens: u64,
    /// Tokens whose keys and values are copied from the host's memory.
    pub loaded_tokens: u64,
    /// Pairs of a computed token and one that it attends to.
    pub attention_pairs: u64,
}

/// Least time of an iteration of a plain server: `fixed + max(weights + context ·
/// per_context_token, computed tokens · per_computed_token) + sequences · per_sequence`, all in
/// seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IterationCosts {
    /// Whatever is in it.
    pub fixed_s: f64,
    /// Of each sequence.
    pub per_sequence_s: f64,
    /// Of reading the weights.
    pub weights_s: f64,
    /// Of reading a token of the context.
    pub per_context_token_s: f64,
    /// Of computing a token, attention left out.
    pub per_computed_token_s: f64,
}

/// The cost model of one model on one GPU.
#[derive(Clone, Copy, Debug)]
pub(super) struct Roofline {
    weights_s: f64,
    kv_s_per_token: f64,
    flop_s_per_token: f64,
    flop_s_per_pair: f64,
    kv_blocks: u32,
}

// === impl Work ===

impl Work {
    /// Adds `tokens` of a sequence that has `context` tokens in the cache already.
    pub(super) fn add(&mut self, context: u32, tokens: u32) {
        let (context, tokens) = (u64::from(context), u64::from(tokens));
        self.sequences += 1;
        self.tokens += tokens;
        self.context_tokens += context;
        self.attention_pairs += tokens * context + tokens * (tokens + 1) / 2;
    }

    /// The next iteration's, if each sequence computes one token: each has a token more to read.
    pub(super) fn grow(&mut self) {
        self.context_tokens += u64::from(self.sequences);
        self.attention_pairs += u64::from(self.sequences);
    }
}

// === impl Roofline ===

impl Roofline {
    /// `None` if the weights leave no room for a single block.
    pub(super) fn new(gpu: Gpu, model: Model) -> Option<Self> {
        let (sheet, size) = (gpu.data_sheet(), model.size());
        let bandwidth = sheet.bandwidth_bytes_per_s * BANDWIDTH_EFFICIENCY;
        let rate = sheet.flop_per_s * COMPUTE_EFFICIENCY;
        let kv_bytes = sheet.memory_bytes * MEMORY_UTILISATION - size.weight_bytes() - ACTIVATION_BYTES;
        let kv_blocks = (kv_bytes / (size.kv_bytes_per_token() * f64::from(BLOCK_TOKENS))) as u32;
        (kv_blocks > 0).then(|| Self {
            weights_s: size.weight_bytes() / bandwidth,
            kv_s_per_token: size.kv_bytes_per_token() / bandwidth,
            flop_s_per_token: size.flop_per_token() / rate,
            flop_s_per_pair: size.attention_flop_per_pair() / rate,
            kv_blocks,
        })
    }

    /// Blocks of KV cache that fit beside the weights.
    pub(super) const fn kv_blocks(&self) -> u32 {
        self.kv_blocks
    }

    /// See [`IterationCosts`].
    pub(super) const fn costs(&self) -> IterationCosts {
        IterationCosts {
            fixed_s: OVERHEAD_S,
            per_sequence_s: OVERHEAD_PER_SEQUENCE_S,
            weights_s: self.weights_s,
            per_context_token_s: self.kv_s_per_token,
            per_computed_token_s: self.flop_s_per_token,
        }
    }

    /// Returns the time that an iteration with this work takes.
    pub(super) fn time_of(&self, work: Work) -> Duration {
        let memory_s = self.weights_s + self.kv_s_per_token * work.context_tokens as f64;
        let compute_s = self.flop_s_per_token * work.tokens as f64 + self.flop_s_per_pair * work.attention_pairs as f64;
        let overhead_s = OVERHEAD_S + OVERHEAD_PER_SEQUENCE_S * f64::from(work.sequences);
        Duration::from_secs_f64(memory_s.max(compute_s) + overhead_s)
    }
}
