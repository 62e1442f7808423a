//! What is compared, by name.

use std::fmt;
use std::str::FromStr;

use slo_router::scheduling::policies::PolicyName;

use crate::baseline::Baseline;

/// A policy of the filter, or a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// The filter's own, through its dispatcher.
    Shipped(PolicyName),
    /// One to compare with.
    Baseline(Baseline),
}

// === impl Contender ===

impl Contender {
    /// All of them; of the policies with two names the shorter.
    pub fn all() -> impl Iterator<Item = Self> {
        let shipped = PolicyName::ALL.into_iter().filter(|name| *name != PolicyName::SloLeastLoadPulling);
        shipped.map(Self::Shipped).chain(Baseline::ALL.map(Self::Baseline))
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shipped(name) => name.as_str(),
            Self::Baseline(baseline) => baseline.name(),
        })
    }
}

impl FromStr for Contender {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::all().find(|contender| contender.to_string() == name).ok_or_else(|| {
            let known: Vec<_> = Self::all().map(|contender| contender.to_string()).collect();
            format!("unknown policy {name:?}; known are {}", known.join(", "))
        })
    }
}
