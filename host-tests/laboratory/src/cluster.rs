//! The pods that serve the workload: those of the experiment that AIBrix publishes for its SLO policies.

use crate::engine::{Gpu, Model};

/// One A10 and four L20.
pub const GPUS: [Gpu; 5] = [Gpu::A10, Gpu::L20, Gpu::L20, Gpu::L20, Gpu::L20];
/// Model that they serve.
pub const MODEL: Model = Model::Mha7b;

/// The deployment of the pods with this GPU, as the shipped profiles name it.
pub fn deployment(gpu: Gpu) -> String {
    format!("default/llama-{}", gpu.name())
}
