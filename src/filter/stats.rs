//! Metrics. Labels are part of the name, as `_label=value_`; the shipped configurations' `stats_tags` take them out.

use std::collections::HashMap;

use fnv::FnvHashMap;

use super::host::{Counter, Gauge, Histogram};
use crate::dispatcher::{Placement, Survey};
use crate::scheduling::policies::PolicyName;
use crate::scheduling::request::Unjudged;

/// The metrics of one pool.
pub struct Stats {
    pool: String,
    counters: HashMap<String, Counter>,
    /// One is counted for each request: found without writing its name.
    endings: FnvHashMap<(Option<usize>, PolicyName, Ending), Counter>,
    wait_ms: Histogram,
    ttft_ms: Histogram,
    e2e_ms: Histogram,
    waiting: Gauge,
    in_flight: Gauge,
    pods: Gauge,
    pods_failing: Gauge,
}

/// How a request that was placed ended, for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Its objective was kept.
    Kept,
    /// Its objective was missed.
    Missed,
    /// It had none.
    NoObjective,
    /// The pod refused, broke off, or answered 5xx.
    Failed,
    /// The pod answered that the request was wrong.
    ClientError,
    /// The client left.
    Abandoned,
}

// === impl Stats ===

impl Stats {
    /// Defines the metrics of a pool.
    pub fn new(pool: &str) -> Self {
        let name = |metric: &str| name(pool, metric, &[]);
        Self {
            wait_ms: Histogram::define(&name("wait_ms")),
            ttft_ms: Histogram::define(&name("ttft_ms")),
            e2e_ms: Histogram::define(&name("e2e_ms")),
            waiting: Gauge::define(&name("waiting")),
            in_flight: Gauge::define(&name("in_flight")),
            pods: Gauge::define(&name("pods")),
            pods_failing: Gauge::define(&name("pods_failing")),
            pool: pool.to_owned(),
            counters: HashMap::new(),
            endings: FnvHashMap::default(),
        }
    }

    /// A request goes on that is not scheduled.
    pub fn passed(&mut self) {
        self.count("passed_total", &[]);
    }

    /// A request was answered here.
    pub fn refused(&mut self, reason: &str) {
        self.count("refused_total", &[("reason", reason)]);
    }

    /// A request was sent to a pod.
    pub fn placed(&mut self, placement: &Placement) {
        self.wait_ms.record(u64::try_from(placement.waited.as_millis()).unwrap_or(u64::MAX));
        if let Some(unjudged) = placement.unjudged {
            self.count("fallback_total", &[("reason", reason_of(unjudged))]);
        }
        for (met, metric) in [
            (placement.late, "late_total"),
            (placement.infeasible, "infeasible_total"),
            (placement.clamped, "clamped_total"),
            (placement.foreign_slo, "foreign_slo_total"),
        ] {
            if met {
                self.count(metric, &[]);
            }
        }
    }

    /// A request that was placed ended. Its class is told by position and name.
    pub fn ended(&mut self, (class, class_name): (Option<usize>, &str), policy: PolicyName, ending: Ending) {
        let counter = self.endings.entry((class, policy, ending)).or_insert_with(|| {
            let labels = [("class", class_name), ("policy", policy.as_str()), ("outcome", ending.as_str())];
            Counter::define(&name(&self.pool, "requests_total", &labels))
        });
        counter.add(1);
    }

    /// A response was complete after so many milliseconds, its first token there after so many.
    pub fn timed(&mut self, ttft_ms: Option<u64>, e2e_ms: u64) {
        if let Some(ttft_ms) = ttft_ms {
            self.ttft_ms.record(ttft_ms);
        }
        self.e2e_ms.record(e2e_ms);
    }

    /// A source's document changed.
    pub fn source_updated(&mut self, source: &str) {
        self.count("source_updates_total", &[("source", source)]);
    }

    /// A source's document could not be had, or not be taken as a whole.
    pub fn source_failed(&mut self, source: &str, reason: &str) {
        self.count("source_errors_total", &[("source", source), ("reason", reason)]);
    }

    /// What all VMs together hold.
    pub fn survey(&self, survey: &Survey) {
        self.waiting.record(u64::from(survey.waiting));
        self.in_flight.record(u64::from(survey.in_flight));
        self.pods.record(survey.pods as u64);
        self.pods_failing.record(survey.pods_failing as u64);
    }

    fn count(&mut self, metric: &str, labels: &[(&str, &str)]) {
        let name = name(&self.pool, metric, labels);
        if let Some(counter) = self.counters.get(&name) {
            return counter.add(1);
        }
        let counter = Counter::define(&name);
        counter.add(1);
        self.counters.insert(name, counter);
    }
}

// === impl Ending ===

impl Ending {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Missed => "missed",
            Self::NoObjective => "no-objective",
            Self::Failed => "failed",
            Self::ClientError => "client-error",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Why a request was placed by the fallback policy, as metrics and headers say it.
pub const fn reason_of(unjudged: Unjudged) -> &'static str {
    match unjudged {
        Unjudged::NoProfile => "no-profile",
        Unjudged::NoSlo => "no-slo",
    }
}

fn name(pool: &str, metric: &str, labels: &[(&str, &str)]) -> String {
    let mut name = format!("slo_router.{metric}_pool={pool}_");
    for (label, value) in labels {
        name.extend(["_", label, "=", &as_label(value), "_"]);
    }
    name
}

/// A label's value: `_` and `=` would end it.
fn as_label(value: &str) -> String {
    value.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '-' }).collect()
}
