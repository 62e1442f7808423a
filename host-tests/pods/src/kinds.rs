//! Servers by name beside those of a model on a GPU: each shows something that the calibrated ones do not.

use crate::engine::{Batching, EngineSpec, LinearCosts};

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An iteration takes 30 ms and 2 ms for each of up to 64 requests: each request slows all others down.
    Steep,
}

// === impl Kind ===

impl Kind {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Steep];

    /// Its name, on command lines and in deployments.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Steep => "steep",
        }
    }

    /// The server.
    pub fn spec(self) -> EngineSpec {
        match self {
            Self::Steep => {
                let costs = LinearCosts { fixed_s: 0.030, per_sequence_s: 0.002, ..LinearCosts::default() };
                EngineSpec::linear(costs, 200_000, Batching { token_budget: 2_048, max_sequences: 64 })
            }
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("unknown kind of server {name:?}; known are {known}")
        })
    }
}
