//! Record of a request: what came, and how it ended.

use std::time::Duration;

use slo_router::dispatcher::RefusalReason;
use slo_router::scheduling::load::Load;
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::slo::{Outcome, Slo};
use slo_router::scheduling::time::Instant;

use crate::completed::Completed;
use crate::simulation::scenario::Answering;
use crate::workload::Arrival;

/// Instant at which arrivals begin: late enough that the core can look back from there.
pub const START: Instant = Instant::from_micros(3_600_000_000);

/// A request and how it ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record {
    /// Arrival, with its class and lengths.
    pub arrival: Arrival,
    /// Objective that it is to keep.
    pub slo: Slo,
    /// Form of its answer.
    pub answering: Answering,
    /// Tokens of its prompt that the gateway expected in the cache of the pod that it went to.
    pub expected_cached_tokens: Option<u32>,
    /// State of the request.
    pub fate: Fate,
}

/// State of a request: how it ended, or how far it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// It waits at the gateway.
    Waiting,
    /// It runs on the pod at this position.
    Running {
        /// The pod.
        pod: usize,
        /// Load that it takes of the pod.
        load: Load,
        /// Time that it waited.
        wait: Duration,
        /// From its arrival to the first token, once that is there.
        ttft: Option<Duration>,
    },
    /// It was answered.
    Completed {
        /// The pod.
        pod: usize,
        /// Time that it waited at the gateway.
        wait: Duration,
        /// Answer as its client saw it.
        answer: Completed,
        /// Tokens of its prompt that the pod had in its cache.
        cached_tokens: u32,
    },
    /// It was refused.
    Refused {
        /// Reason of the refusal.
        reason: RefusalReason,
        /// Time that it waited at the gateway.
        wait: Duration,
    },
}

// === impl Record ===

impl Record {
    /// Returns the time that it waited at the gateway until it was placed or refused.
    pub fn waited(&self) -> Duration {
        match self.fate {
            Fate::Running { wait, .. } | Fate::Completed { wait, .. } | Fate::Refused { wait, .. } => wait,
            Fate::Waiting => Duration::ZERO,
        }
    }

    /// Its answer, if it got one.
    pub fn answer(&self) -> Option<Completed> {
        if let Fate::Completed { answer, .. } = self.fate { Some(answer) } else { None }
    }

    /// Returns `true` if it kept its objective; a refused request did not.
    pub fn kept(&self) -> bool {
        self.answer().is_some_and(|answer| self.slo.kept(&self.outcome(answer)))
    }

    pub(crate) fn outcome(&self, Completed { ttft, e2e, output_tokens }: Completed) -> Outcome {
        Outcome {
            shape: Shape { output_tokens, input_tokens: self.arrival.prompt_tokens },
            cached_tokens: self.cached_tokens().filter(|_| self.answering.tells_cached),
            ttft,
            e2e,
        }
    }

    /// Tokens of its prompt that the pod had in its cache, if it got an answer.
    pub fn cached_tokens(&self) -> Option<u32> {
        if let Fate::Completed { cached_tokens, .. } = self.fate { Some(cached_tokens) } else { None }
    }

    /// Share of its prompt by which the gateway's expectation of the pod's cache was off, if it had
    /// one and the request got an answer.
    pub fn expected_hit_error(&self) -> Option<f64> {
        let error = self.expected_cached_tokens?.abs_diff(self.cached_tokens()?);
        Some(f64::from(error) / f64::from(self.arrival.prompt_tokens.max(1)))
    }

    pub(crate) fn arrived_at(&self) -> Instant {
        START.after(self.arrival.at)
    }
}
