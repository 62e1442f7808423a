//! Offloading of the KV cache: what the GPU's memory has no room for stays in the host's.

use crate::engine::Model;

/// Bytes per second that blocks come back with: PCIe 4.0 with 16 lanes (31.5 GB/s each way, by its
/// specification), of which copies of pinned memory reach some 80 %.
const PCIE_BYTES_PER_S: f64 = 25e9;

/// A second cache, of the blocks that the first one evicts: least recently used ones make room. A
/// prompt that begins with blocks of it has them copied before it is computed, and the iteration
/// takes so much longer; vLLM's offloading connector and `LMCache` overlap a part of that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offloading {
    /// Tokens that it holds.
    pub tokens: u32,
    /// Seconds to copy a token's keys and values to the GPU.
    pub load_s_per_token: f64,
}

// === impl Offloading ===

impl Offloading {
    /// To so many tokens of this model in the memory of the host, over PCIe.
    pub fn over_pcie(model: Model, tokens: u32) -> Self {
        Self { tokens, load_s_per_token: model.kv_bytes_per_token() / PCIE_BYTES_PER_S }
    }
}
