//! Methods that make one scenario from another.

use std::sync::Arc;

use slo_router::scheduling::slo::Slo;

use super::{Answering, Cluster, Hardware, Scenario, ServerOf, Workload};
use crate::cluster::{GPUS, MODEL};
use crate::engine::{Gpu, Model};
use crate::kinds::Kind;
use crate::objectives::{self, SLO_A, SLO_B, SLO_B2, SLO_C, SLO_E2E, SLO_PATIENT, SLO_SLOW, SLO_TTFT};
use crate::workload::trace::Trace;
use crate::workload::{Arrival, Class, Part, Traffic, arrivals};

/// An L20 serves 1.8 times what an A10 does within SLO A, by the rates of the profiles where chat answers lie.
const L20_WEIGHT: f64 = 1.8;
/// Objective, and its description in words.
#[derive(Clone, Copy)]
pub(super) struct Objective {
    words: &'static str,
    of: fn(&Arrival, usize) -> Slo,
}

pub(super) const A: Objective = Objective { words: "end to end at most 50 ms per output token", of: |_, _| SLO_A };
pub(super) const B: Objective =
    Objective { words: "the first token within 1 s, the others 50 ms apart in the mean", of: |_, _| SLO_B };
pub(super) const B2: Objective =
    Objective { words: "the first token within 2 s, the others 50 ms apart in the mean", of: |_, _| SLO_B2 };
pub(super) const C: Objective =
    Objective { words: "end to end at most 1 s and 50 ms per output token", of: |_, _| SLO_C };
pub(super) const E2E: Objective = Objective { words: "end to end at most 20 s", of: |_, _| SLO_E2E };
pub(super) const SLOW: Objective =
    Objective { words: "end to end at most 100 ms per output token", of: |_, _| SLO_SLOW };
pub(super) const PATIENT: Objective =
    Objective { words: "the first token within 5 s, the others 100 ms apart in the mean", of: |_, _| SLO_PATIENT };
pub(super) const TTFT: Objective = Objective { words: "the first token within 2 s", of: |_, _| SLO_TTFT };
pub(super) const BY_CLASS: Objective =
    Objective { words: "chat B, text-to-SQL and code C, documents 1 s and 100 ms per token", of: objectives::by_class };
pub(super) const IN_TURN: Objective =
    Objective { words: "A, B, C, B with 0.5 s, 20 s end to end, in turn", of: objectives::in_turn };

/// Documents of profiles, measured for SLO A at the 90th and at the 99th percentile.
#[derive(Clone, Copy)]
pub(super) struct Profiles {
    p90: &'static [u8],
    p99: &'static [u8],
}

/// Of the seed's cluster.
const SEED_PROFILES: Profiles = Profiles {
    p90: include_bytes!("../../../../../profiles/demo.json"),
    p99: include_bytes!("../../../simulation/profiles/seed-p99.json"),
};
/// Of an 8B model with grouped queries on an L20.
pub(super) const GQA_PROFILES: Profiles = Profiles {
    p90: include_bytes!("../../../simulation/profiles/gqa-p90.json"),
    p99: include_bytes!("../../../simulation/profiles/gqa-p99.json"),
};
/// Of the [kinds](Kind) of servers.
pub(super) const KINDS_PROFILES: Profiles = {
    let p90 = include_bytes!("../../../simulation/profiles/kinds-p90.json");
    Profiles { p90, p99: p90 }
};
/// Of an 8B model with grouped queries on all GPUs.
pub(super) const MIXED_PROFILES: Profiles = {
    let p90 = include_bytes!("../../../simulation/profiles/mixed-p90.json");
    Profiles { p90, p99: p90 }
};
/// Of the seed's cluster with non-linear engines.
pub(super) const NON_LINEAR_PROFILES: Profiles = Profiles {
    p90: include_bytes!("../../../simulation/profiles/non-linear-p90.json"),
    p99: include_bytes!("../../../simulation/profiles/non-linear-p99.json"),
};

// === impl Scenario ===

impl Scenario {
    /// Chat and text-to-SQL under SLO A on one A10 and four L20: the experiment that AIBrix publishes.
    pub(super) fn seed(name: &'static str) -> Self {
        let weighted = GPUS.map(|gpu| (gpu, if gpu == Gpu::L20 { L20_WEIGHT } else { 1.0 }));
        Self {
            name,
            traffic: "chat : text-to-SQL = 7 : 4".to_owned(),
            workload: Arc::new(arrivals),
            classes: Class::DEMO.to_vec(),
            objective: A.words.to_owned(),
            slo: Arc::new(A.of),
            answering: Answering { streamed: true, tells_cached: true },
            cluster: Cluster::new(&weighted, MODEL),
            profiles: SEED_PROFILES.p90,
            profiles_p99: SEED_PROFILES.p99,
            rates_per_s: steps(1, 12, 1.0),
        }
    }

    pub(super) fn keeping(self, objective: Objective) -> Self {
        Self { objective: objective.words.to_owned(), slo: Arc::new(objective.of), ..self }
    }

    pub(super) fn serving(self, words: &str, workload: Workload, classes: &[Class]) -> Self {
        Self { traffic: words.to_owned(), workload, classes: classes.to_vec(), ..self }
    }

    pub(super) fn serving_traffic(self, words: &str, traffic: Traffic) -> Self {
        let occurs = |class: &Class| traffic.mix.iter().any(|part| part.class == *class);
        let classes: Vec<_> = Class::ALL.into_iter().filter(occurs).collect();
        self.serving(words, Arc::new(move |rate_per_s, span, seed| traffic.arrivals(rate_per_s, span, seed)), &classes)
    }

    pub(super) fn serving_mix(self, words: &str, mix: &'static [Part]) -> Self {
        self.serving_traffic(words, Traffic::poisson(mix))
    }

    pub(super) fn on(self, pods: &[(impl Into<Hardware> + Copy, f64)], model: Model, profiles: Profiles) -> Self {
        Self { cluster: Cluster::new(pods, model), ..self }.profiled(profiles)
    }

    /// So many identical pods of this kind.
    pub(super) fn on_kind(self, kind: Kind, pods: usize) -> Self {
        self.on(&vec![(kind, 1.0); pods], MODEL, KINDS_PROFILES)
    }

    /// Servers do not tell what they had in their caches.
    pub(super) fn silent(self) -> Self {
        Self { answering: Answering { tells_cached: false, ..self.answering }, ..self }
    }

    pub(super) fn at_once(self) -> Self {
        Self { answering: Answering { streamed: false, ..self.answering }, ..self }
    }

    pub(super) fn profiled(self, Profiles { p90, p99 }: Profiles) -> Self {
        Self { profiles: p90, profiles_p99: p99, ..self }
    }

    pub(super) fn served_by(self, special: &'static str, server: ServerOf) -> Self {
        Self { cluster: self.cluster.served_by(special, server), ..self }
    }

    /// Rates of a sweep: `step` times the numbers from `first` to `last`.
    pub(super) fn at(self, first: u8, last: u8, step: f64) -> Self {
        Self { rates_per_s: steps(first, last, step), ..self }
    }

    /// The same objectives on the same pods with recorded traffic, cut to what they hold, at its own rate. `words` tell what
    /// it is.
    #[must_use]
    pub fn replaying(self, words: &str, trace: Trace) -> Self {
        let (rate_per_s, classes) = (trace.rate_per_s(), trace.classes());
        let trace = trace.cut_to(self.cluster.context_tokens());
        let replay = move |rate_per_s, span, seed| trace.replay(rate_per_s, span, seed);
        Self { rates_per_s: vec![rate_per_s], ..self.serving(words, Arc::new(replay), &classes) }
    }
}

fn steps(first: u8, last: u8, step: f64) -> Vec<f64> {
    (first..=last).map(|number| step * f64::from(number)).collect()
}
