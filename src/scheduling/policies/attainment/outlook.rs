//! Outlook of a pod: the effect of placing a request there.

use std::time::Duration;

use crate::scheduling::latency_model::{ComputedShares, ExpectedPrompt, StepModel};
use crate::scheduling::occupancy::{Limits, Occupancy, Pace, Spread, Stream};
use crate::scheduling::prefix::PrefixHit;
use crate::scheduling::request::{Prospect, Request};
use crate::scheduling::time::Instant;

/// Tokens that the newcomer's own answer adds to the context, on average over its life: half of it,
/// but no more than this.
const MOST_GROWTH: f64 = 150.0;

/// Wait of a newcomer for the iteration in flight, in iterations.
const HALF_A_STEP: f64 = 0.5;

/// Cost of a pace that just meets the objective, in kept objectives. It decides where nothing else
/// does: below saturation all keep their objectives anywhere, and a faster pod leaves more room for
/// what comes.
const PACE_COST: f64 = 0.1;

/// Cost of computing again what another pod has in its cache, in kept objectives, where that takes
/// all of the time that the objective leaves for the first token. It takes the pod's time from what
/// comes next, and room in its cache from what others come back for, which then is computed again,
/// too: neither shows in those that run there.
const AGAIN_COST: f64 = 3.0;
/// The most that it costs: a pod that turned so slow that each newcomer costs more than it keeps is
/// left, whatever it holds.
const MOST_AGAIN: f64 = 1.5;

/// A pod as it goes on without a newcomer.
#[derive(Clone, Debug)]
pub(super) struct PodOutlook {
    occupancy: Occupancy,
    model: StepModel,
    /// Shares of prompts that are computed, of which nothing is expected in its cache.
    unexpected: ComputedShares,
    /// ρ: the share of time in which prompts stall decoding.
    stalled_share: f64,
    spread: Spread,
    /// Tokens that its cache holds.
    room_tokens: f64,
    /// Requests on it of which a newcomer no worse than `probe` may cost the objectives.
    at_risk: RequestSample,
    /// Those that are expected to keep anything.
    keeping: RequestSample,
    probe: Pace,
    /// Time that a small newcomer would take for its first tokens: the measure by which pods are
    /// compared before gains are computed.
    pub burden_s: f64,
}

/// Some of the requests on a pod, which stand for all of their kind.
#[derive(Clone, Debug, Default)]
struct RequestSample {
    /// Positions, and what each is expected to keep without a newcomer, by weight.
    kept: Vec<(usize, f64)>,
    /// Requests that each stands for.
    of: f64,
}

/// Parts of a request's prompt that pods computed before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CachedPrompt<'h> {
    /// The part that this pod did.
    pub hit: Option<&'h PrefixHit>,
    /// The most tokens that are expected in any pod's cache.
    pub available_tokens: f64,
}

/// A newcomer on a pod, before it is known what it takes from those there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Newcomer {
    /// Its effect, if they lost nothing.
    pub effect: Effect,
    /// The pod's pace with it.
    pub pace: Pace,
}

/// A newcomer's effect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Effect {
    /// The probability that the newcomer keeps its objectives.
    pub keeps: f64,
    /// Worth of keeping them.
    pub weight: f64,
    /// Loss of those on the pod: how many fewer are expected to keep theirs, by weight.
    pub loss: f64,
    /// Cost of the pace, as a share of its weight.
    pub cost: f64,
    /// Seconds by which it is expected to miss its objectives.
    pub lateness_s: f64,
}

// === impl Effect ===

impl Effect {
    /// Returns the growth of the expected worth of kept objectives.
    pub(super) fn gain(&self) -> f64 {
        self.weight * (self.keeps - self.cost) - self.loss
    }
}

// === impl PodOutlook ===

impl PodOutlook {
    /// Of a pod with so much on it; `spread` is how uncertain paces are.
    pub(super) fn new(
        occupancy: Occupancy,
        (model, unexpected): (StepModel, ComputedShares),
        stalled_share: f64,
        spread: Spread,
    ) -> Self {
        let mut outlook = Self {
            occupancy,
            model,
            unexpected,
            stalled_share,
            spread,
            room_tokens: f64::INFINITY,
            at_risk: RequestSample::default(),
            keeping: RequestSample::default(),
            probe: Pace { delay_s: 0.0, per_token_s: 0.0, spread },
            burden_s: 0.0,
        };
        let pace = outlook.pace(0.0, 0.0, 0.0);
        outlook.burden_s = pace.delay_s + BURDEN_TOKENS * pace.per_token_s;
        outlook.probe = outlook.pace(
            1.0,
            PROBE_TOKENS + MOST_GROWTH,
            outlook.stall_s(outlook.unexpected.computed_tokens(PROBE_TOKENS)),
        );
        let keeping = RequestSample::of(&outlook.occupancy.streams, &pace);
        let at_risk = keeping.at_risk(&outlook.occupancy.streams, &outlook.probe);
        (outlook.at_risk, outlook.keeping) = (at_risk, keeping);
        outlook
    }

    /// With room for so many tokens in its cache.
    pub(super) fn with_room(self, room_tokens: f64) -> Self {
        Self { room_tokens, ..self }
    }

    /// Of an idle one.
    pub(super) fn idle(latency_model: (StepModel, ComputedShares), spread: Spread) -> Self {
        Self::new(Occupancy::default(), latency_model, 0.0, spread)
    }

    /// Tokens of a prompt that are computed here, given the part that the pod computed before.
    pub(super) fn computed_tokens(&self, request: &Request, hit: Option<&PrefixHit>) -> f64 {
        self.expected_prompt(request, hit).computed_tokens
    }

    fn expected_prompt(&self, request: &Request, hit: Option<&PrefixHit>) -> ExpectedPrompt {
        let tokens = request.arrival.shape.input_tokens;
        ExpectedPrompt::new(tokens, self.unexpected.computed_tokens(f64::from(tokens)), hit.copied())
    }

    /// A request here that has been waiting until `now`, given what pods' caches have of its
    /// prompt; `None` if it would find no room.
    pub(super) fn newcomer(
        &self,
        request: &Request,
        on: &Prospect,
        cached: CachedPrompt<'_>,
        now: Instant,
    ) -> Option<Newcomer> {
        let prompt_tokens = f64::from(request.arrival.shape.input_tokens);
        let output_tokens = f64::from(request.arrival.shape.output_tokens);
        if self.occupancy.requests > 0.0 && self.occupancy.context_tokens + prompt_tokens > self.room_tokens {
            return None;
        }
        let growth = (output_tokens / 2.0).min(MOST_GROWTH);
        let prompt = self.expected_prompt(request, cached.hit);
        let stall_s = self.stall_s(prompt.computed_tokens);
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
        // What a prompt stalls in another case than the mean.
        let keeps_after = |computed_tokens: f64| {
            let later_s = self.stall_s(computed_tokens) - stall_s;
            let first_token_s = newcomer.first_token_s + later_s;
            let pace = Pace { delay_s: pace.delay_s + later_s, ..pace };
            Stream { first_token_s, ..newcomer.clone() }.keeps(&pace)
        };
        let keeps = match prompt.cases() {
            None => newcomer.keeps(&pace),
            Some((probability, [found, lost])) => {
                probability * keeps_after(found) + (1.0 - probability) * keeps_after(lost)
            }
        };
        let least_s = self.stall_s((prompt_tokens - cached.available_tokens).max(0.0).min(prompt.computed_tokens));
        // Of absurd lengths it may round to nothing.
        let asked =
            on.slo.and_then(|slo| slo.pace(request.arrival.shape)).map(|pace| pace.max(Duration::from_nanos(1)));
        let effect = Effect {
            keeps,
            weight: request.arrival.weight.get(),
            loss: 0.0,
            cost: asked.map_or(0.0, |asked| PACE_COST * pace.per_token_s / asked.as_secs_f64())
                + again_cost(request, on, stall_s - least_s),
            lateness_s: newcomer.lateness_s(&pace),
        };
        Some(Newcomer { effect, pace })
    }

    /// The effect of a newcomer with what it takes from those there.
    ///
    /// Slower paces only ever lose more, so what would lose nothing to a slower one need not be
    /// asked.
    pub(super) fn effect(&self, newcomer: &Newcomer) -> Effect {
        let Newcomer { effect, pace } = newcomer;
        let loses = |(position, kept): &(usize, f64)| {
            let stream = self.occupancy.streams.get(*position);
            stream.map_or(0.0, |stream| kept - stream.weight.get() * stream.keeps(pace))
        };
        let RequestSample { kept, of } = self.in_question(newcomer);
        Effect { loss: kept.iter().map(loses).sum::<f64>() * of, ..*effect }
    }

    /// The number of those there that this takes a look at.
    pub(super) fn work_of(&self, newcomer: &Newcomer) -> usize {
        self.in_question(newcomer).kept.len()
    }

    fn in_question(&self, Newcomer { pace, .. }: &Newcomer) -> &RequestSample {
        let is_within = pace.delay_s <= self.probe.delay_s && pace.per_token_s <= self.probe.per_token_s;
        if is_within { &self.at_risk } else { &self.keeping }
    }

    /// The work of seeing it, in looks at single streams; a look at whether one keeps its
    /// objectives counts as two that only add it up.
    pub(super) fn work(&self) -> usize {
        (self.occupancy.streams.len() >> 1).saturating_add(self.keeping.kept.len().saturating_mul(2))
    }

    /// The worth that those there are expected to keep without a newcomer.
    pub(super) fn kept(&self) -> f64 {
        self.keeping.kept.iter().map(|(_, kept)| kept).sum::<f64>() * self.keeping.of
    }

    /// The number of requests there that a usual newcomer puts at risk.
    pub(super) fn at_risk(&self) -> usize {
        self.at_risk.kept.len()
    }

    fn stall_s(&self, computed_tokens: f64) -> f64 {
        self.model.stall_s(computed_tokens, self.occupancy.requests)
    }

    /// Returns the pod's pace with this much more on it.
    pub(super) fn pace(&self, requests: f64, context_tokens: f64, stall_s: f64) -> Pace {
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

/// Cost of computing, on a pod, so much longer what another one has in its cache.
fn again_cost(request: &Request, on: &Prospect, again_s: f64) -> f64 {
    let slo = on.slo.unwrap_or_default();
    let asked = slo.ttft.or_else(|| slo.target(request.arrival.shape)).filter(|_| again_s > 0.0);
    asked.map_or(0.0, |asked| (AGAIN_COST * again_s / asked.as_secs_f64()).min(MOST_AGAIN))
}

// === impl RequestSample ===

impl RequestSample {
    /// All that keep anything where there are few, else those among each so-manieth.
    fn of(streams: &[Stream], pace: &Pace) -> Self {
        let stride = streams.len().div_ceil(MOST_SAMPLED).max(1);
        let sampled = streams.iter().enumerate().step_by(stride);
        let of = streams.len() as f64 / sampled.len().max(1) as f64;
        let kept = sampled.map(|(position, stream)| (position, stream.weight.get() * stream.keeps(pace)));
        Self { kept: kept.filter(|(_, kept)| *kept > 0.0).collect(), of }
    }

    /// Those of them that keep less at a slower pace.
    fn at_risk(&self, streams: &[Stream], slower: &Pace) -> Self {
        let loses = |(position, kept): &&(usize, f64)| {
            streams.get(*position).is_some_and(|stream| stream.weight.get() * stream.keeps(slower) < *kept)
        };
        Self { kept: self.kept.iter().filter(loses).copied().collect(), of: self.of }
    }
}

/// Requests on a pod that a newcomer's effect is summed over, at most.
const MOST_SAMPLED: usize = 16;

/// Tokens of the prompt of a newcomer that tells who is at risk.
const PROBE_TOKENS: f64 = 1_024.0;

/// Tokens of the small answer that pods are compared by.
const BURDEN_TOKENS: f64 = 50.0;
