//! Specification of a model server: what iterations cost, its cache, its batching, and how it
//! differs from a plain one.

use std::time::Duration;

use super::behaviour::Behaviour;
use super::costs::{Costs, LinearCosts};
use super::gpu::Gpu;
use super::model::Model;
use super::roofline::{BLOCK_TOKENS, IterationCosts, Roofline, Work};

/// A model on a GPU, of which there is none unless the model fits; or a server by a line.
#[derive(Clone, Copy, Debug)]
pub struct EngineSpec {
    pub(super) costs: Costs,
    pub(super) kv_blocks: u32,
    pub(super) batching: Batching,
    pub(super) behaviour: Behaviour,
}

/// Limits on what one iteration takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// Tokens that it computes at most (vLLM's `max_num_batched_tokens`).
    pub token_budget: u32,
    /// Sequences that run at once at most (vLLM's `max_num_seqs`).
    pub max_sequences: usize,
}

// === impl EngineSpec ===

impl EngineSpec {
    /// A plain server with the batching that vLLM starts with there. `None` if the model's weights do not fit the GPU.
    pub fn new(gpu: Gpu, model: Model) -> Option<Self> {
        let (batching, behaviour) = (Batching::default_of(gpu), Behaviour::PLAIN);
        Roofline::new(gpu, model).map(|roofline| Self {
            costs: Costs::Roofline(roofline),
            kv_blocks: roofline.kv_blocks(),
            batching,
            behaviour,
        })
    }

    /// A plain server whose iterations take so long and whose cache holds so many tokens: whole blocks, at least one.
    pub fn linear(costs: LinearCosts, kv_tokens: u32, batching: Batching) -> Self {
        let kv_blocks = (kv_tokens / BLOCK_TOKENS).max(1);
        Self { costs: Costs::Linear(costs), kv_blocks, batching, behaviour: Behaviour::PLAIN }.batching(batching)
    }

    /// The same with another batching. A budget of 0 would compute nothing and counts as 1.
    #[must_use]
    pub fn batching(self, batching: Batching) -> Self {
        let token_budget = batching.token_budget.max(1);
        Self { batching: Batching { token_budget, ..batching }, ..self }
    }

    /// The same server, behaving so.
    #[must_use]
    pub fn behaving(self, behaviour: Behaviour) -> Self {
        Self { behaviour, ..self }
    }

    /// Returns the time that an iteration with this work takes at a steady tempo.
    pub(super) fn time_of(&self, work: Work) -> Duration {
        let load_s = self.behaviour.offloading.map_or(0.0, |to| to.load_s_per_token * work.loaded_tokens as f64);
        self.costs.time_of(work) + Duration::from_secs_f64(load_s)
    }

    /// Returns the least time of an iteration, were it a plain server.
    pub fn iteration_costs(&self) -> IterationCosts {
        self.costs.at_least()
    }

    /// Tokens that the whole cache holds: the longest prompt and output together.
    pub fn kv_tokens(&self) -> u64 {
        u64::from(self.kv_blocks) * u64::from(BLOCK_TOKENS)
    }
}

// === impl Batching ===

impl Batching {
    /// Returns the limits of vLLM's OpenAI server by default: more on GPUs of 70 GiB and more, the
    /// A100 excepted.
    pub const fn default_of(gpu: Gpu) -> Self {
        match gpu {
            Gpu::H100 => Self { token_budget: 8_192, max_sequences: 1_024 },
            Gpu::A10 | Gpu::L20 | Gpu::A40 | Gpu::A100 => Self { token_budget: 2_048, max_sequences: 256 },
        }
    }
}
