//! Objective that a rate has to meet: an SLO, for so many requests in a hundred.

use std::time::Duration;

use serde_json::{Map, Value, json};
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::slo::{Outcome, Slo};

/// An SLO and the share of requests that have to keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Objective {
    /// SLO that each request has to meet.
    pub slo: Slo,
    /// Of how many requests in a hundred, 1 to 99.
    pub percentile: u8,
}

// === impl Objective ===

impl Objective {
    /// The share of requests that have to keep the SLO, 0 to 1.
    pub fn share(&self) -> f64 {
        f64::from(self.percentile) / 100.0
    }

    /// Returns `true` if a request that went so kept the SLO.
    pub fn is_kept(&self, shape: Shape, ttft: Duration, e2e: Duration) -> bool {
        self.slo.kept(&Outcome { shape, cached_tokens: None, ttft, e2e })
    }

    /// With all times so many times as long.
    pub fn stretched(&self, factor: f64) -> Self {
        let times = |time: Option<Duration>| time.map(|time| time.mul_f64(factor));
        let Slo { ttft, tpot, e2e, e2e_per_output_token, e2e_base, e2e_per_token } = self.slo;
        let slo = Slo {
            ttft: times(ttft),
            tpot: times(tpot),
            e2e: times(e2e),
            e2e_per_output_token: times(e2e_per_output_token),
            e2e_base: times(e2e_base),
            e2e_per_token: times(e2e_per_token),
        };
        Self { slo, ..*self }
    }

    /// As a profile's `slos` says it: AIBrix's names, seconds, only what is set.
    pub fn to_json(&self) -> Value {
        let mut slos = Map::from_iter([("percentile".to_owned(), json!(self.percentile))]);
        for (name, value) in objectives(&self.slo) {
            if let Some(value) = value {
                slos.insert(name.to_owned(), json!(value.as_secs_f64()));
            }
        }
        Value::Object(slos)
    }
}

/// The objectives of an SLO under the names of a profile's `slos`.
pub fn objectives(slo: &Slo) -> [(&'static str, Option<Duration>); 6] {
    [
        ("e2e", slo.e2e),
        ("ttft", slo.ttft),
        ("tpat", slo.e2e_per_token),
        ("tpot", slo.tpot),
        ("e2e_per_output_token", slo.e2e_per_output_token),
        ("e2e_base", slo.e2e_base),
    ]
}
