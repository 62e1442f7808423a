//! Record of a request: how it was routed, and how it ended.

use std::time::Duration;

use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::slo::{Outcome, Slo};

use crate::client::Answer;
use crate::completed::Completed;
use crate::objectives::SLO_B2;
use crate::workload::Arrival;

/// Objective that requests are judged by.
pub const SLO: Slo = SLO_B2;

/// A request, how it was routed, and how it ended.
#[derive(Clone, Debug)]
pub struct Record {
    /// The request.
    pub arrival: Arrival,
    /// Routing of the request; unknown until the head of its answer is there.
    pub routing: Routing,
    /// End of the request.
    pub fate: Fate,
}

/// Routing of a request, from the headers of its answer.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    /// The policy that placed it.
    pub policy: Option<String>,
    /// Time that it waited at the gateway.
    pub wait: Option<Duration>,
}

/// End of a request.
#[derive(Clone, Debug)]
pub enum Fate {
    /// With all of its answer.
    Completed(Completed),
    /// With an error instead of an answer.
    Refused {
        /// Its status.
        status: u16,
    },
    /// In mid-air.
    Broken {
        /// Description of what broke.
        reason: String,
    },
    /// Not before the run was over.
    Unfinished,
}

// === impl Record ===

impl Record {
    pub(super) fn new(arrival: Arrival) -> Self {
        Self { arrival, routing: Routing::default(), fate: Fate::Unfinished }
    }

    pub(super) fn end(&mut self, routing: Routing, fate: Fate) {
        (self.routing, self.fate) = (routing, fate);
    }

    /// Its figures, if it was answered.
    pub fn completed(&self) -> Option<Completed> {
        match self.fate {
            Fate::Completed(completed) => Some(completed),
            _ => None,
        }
    }

    /// Returns `true` if it has no end yet, or had none when the run was over.
    pub fn is_unfinished(&self) -> bool {
        matches!(self.fate, Fate::Unfinished)
    }

    /// From the start of the run: what ends later has missed [`SLO`].
    pub(super) fn deadline(&self) -> Duration {
        let Arrival { at, prompt_tokens, output_tokens, .. } = self.arrival;
        at + SLO.target(Shape { output_tokens, input_tokens: prompt_tokens }).unwrap_or_default()
    }

    /// Returns `true` if it kept [`SLO`]. A request that was not answered has not.
    pub fn is_kept(&self) -> bool {
        self.completed().is_some_and(|Completed { ttft, e2e, output_tokens }| {
            let shape = Shape { output_tokens, input_tokens: self.arrival.prompt_tokens };
            SLO.kept(&Outcome { shape, cached_tokens: None, ttft, e2e })
        })
    }
}

// === impl Routing ===

impl Routing {
    pub(super) fn of(answer: &Answer) -> Self {
        let header = |name: &str| answer.headers.get(name)?.to_str().ok();
        let wait_ms = header("x-slo-router-wait-ms").and_then(|wait| wait.parse::<f64>().ok());
        let wait = wait_ms.and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok());
        Self { policy: header("x-slo-router-policy").map(str::to_owned), wait }
    }
}
