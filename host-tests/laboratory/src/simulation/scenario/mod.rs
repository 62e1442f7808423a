//! Inputs of a simulation apart from the policy: arrivals with their objectives, and the pods that
//! serve them.
//!
//! A scenario is data. [`all`] lists them in `catalogue.rs`; one more is one more entry there, made from another by what is in
//! `build.rs`.

mod build;
mod catalogue;
mod cluster;
mod engines;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use slo_router::scheduling::slo::Slo;

use crate::workload::{Arrival, Class};

pub use self::catalogue::all;
pub use self::cluster::{Cluster, Hardware, Pod, ServerOf, batching};
pub use self::engines::{SPELL_LENGTH, SPELL_STARTS};

/// A mean rate (requests per second), a span from the start of the run, and a seed; gives the arrivals in order of time.
/// The same arguments give the same arrivals, and another rate with the same seed gives like requests.
pub type Workload = Arc<dyn Fn(f64, Duration, u64) -> Vec<Arrival> + Send + Sync>;

/// The objective of a request, by what arrives and its position among the arrivals.
pub type SloOf = Arc<dyn Fn(&Arrival, usize) -> Slo + Send + Sync>;

/// See the module.
#[derive(Clone)]
pub struct Scenario {
    /// Name that `--scenario` takes.
    pub name: &'static str,
    /// Traffic in words for the report: `chat : text-to-SQL = 7 : 4`.
    pub traffic: String,
    /// Generator of the arrivals.
    pub workload: Workload,
    /// The classes that occur in it.
    pub classes: Vec<Class>,
    /// Objective in words for the report.
    pub objective: String,
    /// Objective of each request.
    pub slo: SloOf,
    /// Form of the answers.
    pub answering: Answering,
    /// Pods that serve.
    pub cluster: Cluster,
    /// The document of the profiles that the gateway is given.
    pub profiles: &'static [u8],
    /// The document of profiles that AIBrix's policies are given: its generator asks that 99 % meet the objective.
    pub profiles_p99: &'static [u8],
    /// Arrivals per second of a sweep, ascending: from where all keep the objective to where most policies fail.
    pub rates_per_s: Vec<f64>,
}

/// A request as it is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// Arrival, with its class and lengths.
    pub arrival: Arrival,
    /// The objective that it brings along.
    pub slo: Slo,
    /// Form of its answer.
    pub answering: Answering,
}

/// Form of an answer, as client and gateway see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answering {
    /// It is streamed; of one that is not, the end alone is seen.
    pub streamed: bool,
    /// The server tells how many tokens of the prompt it had in its cache.
    pub tells_cached: bool,
}

// === impl Scenario ===

impl Scenario {
    /// Returns the requests that arrive within `span` at this rate and seed.
    pub fn demands(&self, rate_per_s: f64, span: Duration, seed: u64) -> Vec<Demand> {
        self.with_objectives((self.workload)(rate_per_s, span, seed))
    }

    /// These arrivals with their objectives.
    pub fn with_objectives(&self, arrivals: Vec<Arrival>) -> Vec<Demand> {
        let answering = self.answering;
        let demand = |(position, arrival)| Demand { slo: (self.slo)(&arrival, position), arrival, answering };
        arrivals.into_iter().enumerate().map(demand).collect()
    }

    /// The one of this name.
    ///
    /// # Errors
    /// With the names that there are.
    pub fn named(name: &str) -> Result<Self, String> {
        all().into_iter().find(|scenario| scenario.name == name).ok_or_else(|| {
            let known: Vec<_> = all().into_iter().map(|scenario| scenario.name).collect();
            format!("unknown scenario {name:?}; known are {}", known.join(", "))
        })
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scenario").field(&self.name).finish()
    }
}
