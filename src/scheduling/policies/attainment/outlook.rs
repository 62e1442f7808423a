//! What placing a request on a pod changes.

use std::time::Duration;

use super::course::Limits;
use super::pod::{Occupancy, Pace, Spread, Stream};
use crate::scheduling::request::{Prospect, Request};
use crate::scheduling::speeds::{ComputedShares, StepModel};
use crate::scheduling::time::Instant;

/// Tokens that the newcomer's own answer adds to the context, on average over its life: half of it, but no more than this.
const MOST_GROWTH: f64 = 150.0;

/// What a newcomer waits for the iteration in flight, in iterations.
const HALF_A_STEP: f64 = 0.5;

/// What a pace that just meets the objective costs, in kept objectives. It decides where nothing else does: below
/// saturation all keep their objectives anywhere, and a faster pod leaves more room for what comes.
const PACE_COST: f64 = 0.1;

/// A pod as it goes on without a newcomer.
#[derive(Clone, Debug)]
pub(super) struct Outlook {
    occupancy: Occupancy,
    model: StepModel,
    /// What prefix caches leave of prompts.
    computed: ComputedShares,
    /// ρ: the share of time in which prompts stall decoding.
    stalled_share: f64,
    spread: Spread,
    /// Tokens that its cache holds.
    room_tokens: f64,
    /// Requests on it that are expected to keep their objectives, by weight.
    kept: f64,
    /// How long a small newcomer would take for its first tokens: what pods are compared by before gains are computed.
    pub burden_s: f64,
}

/// A newcomer's effect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Effect {
    /// The probability that the newcomer keeps its objectives.
    pub keeps: f64,
    /// What that is worth.
    pub weight: f64,
    /// How many fewer of those on the pod are expected to keep theirs, by weight.
    pub loss: f64,
    /// What the pace costs, as a share of its weight.
    pub cost: f64,
    /// By how much it is expected to miss its objectives.
    pub lateness_s: f64,
}

// === impl Effect ===

impl Effect {
    /// By how much the expected worth of kept objectives grows.
    pub(super) fn gain(&self) -> f64 {
        self.weight * (self.keeps - self.cost) - self.loss
    }
}

// === impl Outlook ===

impl Outlook {
    /// Of a pod with so much on it; `spread` is how uncertain paces are.
    pub(super) fn new(
        occupancy: Occupancy,
        (model, computed): (StepModel, ComputedShares),
        stalled_share: f64,
        spread: Spread,
    ) -> Self {
        let room_tokens = f64::INFINITY;
        let mut outlook =
            Self { occupancy, model, computed, stalled_share, spread, room_tokens, kept: 0.0, burden_s: 0.0 };
        let pace = outlook.pace(0.0, 0.0, 0.0);
        outlook.kept = outlook.occupancy.expected_kept(&pace);
        outlook.burden_s = pace.delay_s + BURDEN_TOKENS * pace.per_token_s;
        outlook
    }

    /// With room for so many tokens in its cache.
    pub(super) fn with_room(self, room_tokens: f64) -> Self {
        Self { room_tokens, ..self }
    }

    /// Of an idle one.
    pub(super) fn idle(speed: (StepModel, ComputedShares), spread: Spread) -> Self {
        Self::new(Occupancy::default(), speed, 0.0, spread)
    }

    /// What a request does here that has been waiting until `now`; `None` if it would find no room. `at_least`: an effect whose
    /// gain is below it is of no interest, and need not be computed.
    pub(super) fn effect(&self, request: &Request, on: &Prospect, now: Instant, at_least: f64) -> Option<Effect> {
        let prompt_tokens = f64::from(request.arrival.shape.input_tokens);
        let output_tokens = f64::from(request.arrival.shape.output_tokens);
        if self.occupancy.requests > 0.0 && self.occupancy.context_tokens + prompt_tokens > self.room_tokens {
            return None;
        }
        let stall_s = self.model.stall_s(self.computed.computed_tokens(prompt_tokens), self.occupancy.requests);
        let growth = (output_tokens / 2.0).min(MOST_GROWTH);
        let pace = self.pace(1.0, prompt_tokens + growth, stall_s);
        let elapsed_s = now.seconds_since(request.arrival.at);
        let wait_s = if self.occupancy.requests > 0.0 { HALF_A_STEP * self.step_s() } else { 0.0 };
        let newcomer = Stream {
            limits: Limits::of(&on.slo.unwrap_or_default(), prompt_tokens),
            lengths: request.arrival.lengths.clone().unwrap_or_default(),
            elapsed_s,
            tokens: 0.0,
            first_token_s: elapsed_s + wait_s + pace.delay_s + self.step_s(),
            weight: request.arrival.weight,
        };
        let keeps = newcomer.keeps(&pace);
        // Of absurd lengths it may round to nothing.
        let asked =
            on.slo.and_then(|slo| slo.pace(request.arrival.shape)).map(|pace| pace.max(Duration::from_nanos(1)));
        let cost = asked.map_or(0.0, |asked| PACE_COST * pace.per_token_s / asked.as_secs_f64());
        let weight = request.arrival.weight.get();
        let lateness_s = newcomer.lateness_s(&pace);
        if weight * (keeps - cost) < at_least {
            return None;
        }
        let loss = self.kept - self.occupancy.expected_kept(&pace);
        Some(Effect { keeps, weight, loss, cost, lateness_s })
    }

    /// How the pod goes on with this much more on it.
    fn pace(&self, requests: f64, context_tokens: f64, stall_s: f64) -> Pace {
        let occupancy = &self.occupancy;
        let step_s = self.model.step_s(occupancy.requests + requests, occupancy.context_tokens + context_tokens);
        Pace {
            delay_s: occupancy.prefill_left_s + stall_s,
            per_token_s: step_s / (1.0 - self.stalled_share),
            spread: self.spread,
        }
    }

    fn step_s(&self) -> f64 {
        self.model.step_s(self.occupancy.requests, self.occupancy.context_tokens)
    }
}

/// Tokens of the small answer that pods are compared by.
const BURDEN_TOKENS: f64 = 50.0;
