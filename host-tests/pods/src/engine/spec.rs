//! What a model server is: a model on a GPU, its batching, and how it differs from a plain one.

use super::behaviour::Behaviour;
use super::gpu::Gpu;
use super::model::Model;
use super::roofline::{BLOCK_TOKENS, IterationCosts, Roofline};

/// A model on a GPU; there is none unless the model fits.
#[derive(Clone, Copy, Debug)]
pub struct EngineSpec {
    pub(super) roofline: Roofline,
    pub(super) batching: Batching,
    pub(super) behaviour: Behaviour,
}

/// How much one iteration takes on.
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
        Roofline::new(gpu, model).map(|roofline| Self { roofline, batching, behaviour })
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

    /// What an iteration takes at least, were it a plain server.
    pub fn iteration_costs(&self) -> IterationCosts {
        self.roofline.costs()
    }

    /// Tokens that the whole cache holds: the longest prompt and output together.
    pub fn kv_tokens(&self) -> u64 {
        u64::from(self.roofline.kv_blocks()) * u64::from(BLOCK_TOKENS)
    }
}

// === impl Batching ===

impl Batching {
    /// What vLLM's OpenAI server takes on by default: more on GPUs of 70 GiB and more, the A100 excepted.
    pub const fn default_of(gpu: Gpu) -> Self {
        match gpu {
            Gpu::H100 => Self { token_budget: 8_192, max_sequences: 1_024 },
            Gpu::A10 | Gpu::L20 | Gpu::A40 | Gpu::A100 => Self { token_budget: 2_048, max_sequences: 256 },
        }
    }
}
