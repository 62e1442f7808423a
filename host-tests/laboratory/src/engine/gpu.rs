//! Public figures of GPUs, and how much of them a model server gets.
//!
//! The efficiencies are one pair for all GPUs. They were held against the 560 points that AIBrix publishes for Llama-2-7B on an A100 and
//! an A40 (`calibrate`, see [`crate::calibration`]): with them the throughput of servers that are overloaded by prompts is 1.00 of the published
//! one in the median on both, and of those overloaded by answers 1.03. There are no such rows for an A10, an L20 and an H100. Single figures
//! that are public agree: 27 ms per token for Llama-2-7B alone on an A10 with LMDeploy (here 30), 13.3 ms for Llama-3.1-8B on an A100 of
//! 40 GB with vLLM (by this roofline 15).

/// Share of the peak memory bandwidth that decoding reaches: attention and matrix-vector kernels are reported between
/// 70 and 90 % of the data sheet.
pub(super) const BANDWIDTH_EFFICIENCY: f64 = 0.8;
/// Share of the peak dense fp16 rate that prefill reaches. 40 to 60 % are usual for 7B models; this is what the published points ask for.
pub(super) const COMPUTE_EFFICIENCY: f64 = 0.58;
/// Share of the memory that the server may use (vLLM's `gpu_memory_utilization`).
pub(super) const MEMORY_UTILISATION: f64 = 0.9;
/// Bytes kept for activations and graphs.
pub(super) const ACTIVATION_BYTES: f64 = 1e9;

/// A GPU type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gpu {
    /// NVIDIA A10, 24 GB.
    A10,
    /// NVIDIA L20, 48 GB.
    L20,
    /// NVIDIA A40, 48 GB.
    A40,
    /// NVIDIA A100 SXM, 80 GB.
    A100,
    /// NVIDIA H100 SXM, 80 GB.
    H100,
}

/// Figures of a GPU's data sheet.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataSheet {
    /// Memory, bytes.
    pub memory_bytes: f64,
    /// Peak memory bandwidth, bytes/s.
    pub bandwidth_bytes_per_s: f64,
    /// Peak dense fp16 rate of the tensor cores, FLOP/s.
    pub flop_per_s: f64,
}

// === impl Gpu ===

impl Gpu {
    /// All that are known.
    pub const ALL: [Self; 5] = [Self::A10, Self::A40, Self::L20, Self::A100, Self::H100];

    /// Its short name, as the command line and configurations spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A10 => "a10",
            Self::L20 => "l20",
            Self::A40 => "a40",
            Self::A100 => "a100",
            Self::H100 => "h100",
        }
    }

    pub(super) const fn data_sheet(self) -> DataSheet {
        let (memory_bytes, bandwidth_bytes_per_s, flop_per_s) = match self {
            Self::A10 => (24e9, 600e9, 125e12),
            Self::L20 => (48e9, 864e9, 119.5e12),
            Self::A40 => (48e9, 696e9, 149.7e12),
            Self::A100 => (80e9, 2_039e9, 312e12),
            Self::H100 => (80e9, 3_350e9, 989e12),
        };
        DataSheet { memory_bytes, bandwidth_bytes_per_s, flop_per_s }
    }
}

impl std::str::FromStr for Gpu {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|gpu| gpu.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("unknown GPU {name:?}; known are {known}")
        })
    }
}
