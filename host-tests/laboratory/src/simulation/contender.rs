//! Policies that are compared, by name.

use std::fmt;
use std::str::FromStr;

use slo_router::scheduling::policies::{self, PolicyName, attainment, pull};

use crate::engine::Detail;
use crate::simulation::aibrix::Rules;
use crate::simulation::baseline::Baseline;
use crate::simulation::prefix_router::PrefixRouter;
use crate::simulation::scenario::Scenario;

/// A policy of the filter, or a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// The filter's own, through its dispatcher.
    Shipped(PolicyName),
    /// The same, told the true output lengths.
    TrueLengths(PolicyName),
    /// AIBrix's.
    Aibrix(Rules),
    /// One to compare with.
    Baseline(Baseline),
    /// One that knows prefix caches.
    PrefixRouter(PrefixRouter),
}

// === impl Contender ===

/// Suffix of the name of a policy that is told the true output lengths.
const TRUE_LENGTHS: &str = "+true-lengths";

impl Contender {
    /// The same without a history.
    pub fn knowing_nothing(self) -> Self {
        match self {
            Self::Aibrix(rules) => Self::Aibrix(Rules { cold: true, ..rules }),
            // They start without one.
            Self::Shipped(_) | Self::TrueLengths(_) | Self::Baseline(_) | Self::PrefixRouter(_) => self,
        }
    }

    /// Returns the detail that servers must report: policies that go by more than first tokens and
    /// ends see each token of a streamed answer.
    pub fn detail(self, scenario: &Scenario) -> Detail {
        match self {
            Self::Shipped(_) | Self::TrueLengths(_) if scenario.answering.streamed => Detail::EveryToken,
            Self::Shipped(_) | Self::TrueLengths(_) | Self::Aibrix(_) | Self::Baseline(_) | Self::PrefixRouter(_) => {
                Detail::Milestones
            }
        }
    }

    /// All of them, as they are: neither with true lengths nor mended. Of policies with two names the shorter.
    pub fn all() -> impl Iterator<Item = Self> {
        let shipped = policies::all().filter(|name| *name != pull::SLO_LEAST_LOAD_PULLING);
        let aibrix = Rules::all_faithful().map(Self::Aibrix);
        let baselines = Baseline::ALL.map(Self::Baseline).into_iter().chain(PrefixRouter::ALL.map(Self::PrefixRouter));
        shipped.map(Self::Shipped).chain(aibrix).chain(baselines)
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shipped(name) => f.write_str(name.as_str()),
            Self::TrueLengths(name) => write!(f, "{}{TRUE_LENGTHS}", name.as_str()),
            Self::Aibrix(rules) => rules.fmt(f),
            Self::Baseline(baseline) => f.write_str(baseline.name()),
            Self::PrefixRouter(router) => f.write_str(router.name()),
        }
    }
}

impl FromStr for Contender {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name.starts_with("aibrix-") {
            return name.parse().map(Self::Aibrix);
        }
        let found = match name.strip_suffix(TRUE_LENGTHS) {
            Some(name) if name == attainment::SLO_ATTAINMENT.as_str() => {
                Some(Self::TrueLengths(attainment::SLO_ATTAINMENT))
            }
            Some(name) => name.parse().ok().map(Self::TrueLengths),
            None => Self::all().find(|contender| contender.to_string() == name),
        };
        found.ok_or_else(|| {
            let known: Vec<_> = Self::all().map(|contender| contender.to_string()).collect();
            format!(
                "unknown policy {name:?}; known are {}, and those of the filter with {TRUE_LENGTHS}",
                known.join(", ")
            )
        })
    }
}
