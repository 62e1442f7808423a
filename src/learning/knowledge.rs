//! The one home of what is learned: from the answers of each model how long they are and how many
//! characters a token has, and from the requests on the pods of each deployment how fast these are,
//! what prefix caches spare, how much they hold and how many requests they sustain.
//!
//! Policies read it, and the workers of a pool [exchange](super::exchange) it.

use std::time::Duration;

use super::answers::{Learning, Prediction};
use super::exchange::{SharedPart, exchange};
use crate::scheduling::latency_model::{LatencyModel, LatencyModels, Learned};
use crate::scheduling::occupancy;
use crate::scheduling::time::Instant;
use crate::scheduling::view::View;
use crate::shared::{Keys, Store};

/// Interval at which what was learned of pods is exchanged, and what runs on them is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Debug)]
pub struct Knowledge {
    answers: Learning,
    latency_models: LatencyModels,
    /// Instant at which the last turn of exchanging and looking began.
    turn_began_at: Option<Instant>,
    /// The pod that is looked at next, while the last look is not through.
    next_pod: usize,
}

// === impl Knowledge ===

impl Knowledge {
    /// Knows nothing yet. `corrects_profiles`: else the profiles count for ever.
    pub fn new(prediction: Prediction, corrects_profiles: bool) -> Self {
        Self {
            answers: Learning::new(prediction),
            latency_models: LatencyModels::new(corrects_profiles),
            turn_began_at: None,
            next_pod: 0,
        }
    }

    /// Returns what the answers of each model have taught.
    pub fn answers_mut(&mut self) -> &mut Learning {
        &mut self.answers
    }

    /// Returns what requests have taught of the pods of each deployment.
    pub fn latency_models(&self) -> &LatencyModels {
        &self.latency_models
    }

    /// Returns the same, to learn.
    pub fn latency_models_mut(&mut self) -> &mut LatencyModels {
        &mut self.latency_models
    }

    /// Exchanges with the other VMs what was learned from answers.
    pub fn exchange_answers(&mut self, store: &impl Store, keys: &Keys, now: Instant) {
        self.answers.share(store, keys, now);
    }

    /// Exchanges with the other VMs what was learned of pods, if that is due. Returns `true` if
    /// what runs is to be looked at now.
    pub fn take_turn(&mut self, store: &impl Store, keys: &Keys, now: Instant) -> bool {
        if self.turn_began_at.is_some_and(|began_at| now.since(began_at) < EVERY) {
            return self.next_pod != 0;
        }
        self.turn_began_at = Some(now);
        for (deployment, latency_model) in self.latency_models.iter_mut() {
            exchange(store, &keys.learned(deployment), latency_model);
        }
        true
    }

    /// Looks at what runs on as many pods as a call may take, from the one on where the last look
    /// ended.
    pub fn look(&mut self, view: &View<'_>, now: Instant) {
        self.next_pod = occupancy::watch(view, self.next_pod, &mut self.latency_models, now);
    }
}

// === impl LatencyModel ===

impl SharedPart for LatencyModel {
    type Value = Learned;

    fn has_news(&self) -> bool {
        self.has_news()
    }

    fn tell(&self, all: &mut Learned) {
        self.tell(all);
    }

    fn take(&mut self, all: Learned) {
        self.take(all);
    }
}
