//! Models that pods serve.

use serde::{Deserialize, Serialize};

use super::stable_hash::stable_hash;

/// A model's identity over VMs: a hash of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModelId(u64);

/// A model as requests name it; an adapter shares the pods and profiles of its base.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Model {
    /// The name in the request.
    pub name: String,
    /// The base model of an adapter (LoRA).
    pub base: Option<String>,
}

// === impl ModelId ===

impl ModelId {
    /// The identity of a model.
    pub fn of(model: &Model) -> Self {
        Self(stable_hash(&model.name))
    }
}

// === impl Model ===

impl Model {
    /// Stands for whatever a pod serves.
    pub const ANY: Self = Self { name: String::new(), base: None };
}
