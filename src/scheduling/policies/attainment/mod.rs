//! `slo-attainment`: a request goes where the expected number of kept objectives grows most, or waits.
//!
//! # Theory
//!
//! A pod decodes for all its requests at once, so a newcomer slows down those that run there: more to read in every
//! iteration, and its prompt stalls all of them. Whether that matters is a question of their objectives and of how long their
//! answers will be. All of it is estimated from what the gateway sees:
//!
//! 1. **Speed** ([`step`], [`fit`], [`meter`], [`speed`]). An iteration takes `a + b·n + c·K` seconds for n requests with K
//!    tokens of context, and a prompt of p tokens stalls it for `max(0, d·(p + n) − W)`. The coefficients of a deployment
//!    start from its profile and are learned from every request that ends. While they predict badly, or there is nothing to
//!    start from, requests that may go to this deployment are placed by weighted least-request.
//! 2. **What runs** ([`pod`]). Tokens so far, prompts not computed yet and the context of each pod follow by dead reckoning
//!    from placements and from what was seen of the streams. With ρ the share of time that prompts took of late, the time per
//!    output token is `τ = step(n, K) / (1 − ρ)`.
//! 3. **Who keeps** ([`course`]). With τ a request's end is linear in its length, and so is every objective: the lengths that
//!    keep all of them are an interval, and the probability P of keeping them is what the distribution of output lengths
//!    gives to the interval, given the tokens that are there already. τ is uncertain, so P is a mean over a slower, the
//!    predicted and a faster pace.
//! 4. **Gain** ([`outlook`]). `gain(pod) = P(newcomer) − Σ (Pᵢ without − Pᵢ with the newcomer) − 0.1·τ/T`, T the pace that the
//!    newcomer's objective asks for. All requests are worth the same.
//! 5. **Hold.** A request waits while its best gain is at most 0.3·P: what it would take from others is better kept. Of those
//!    that may go the one with the largest gain goes first, and all others are judged again with it in place.
//!
//! A request that would not keep its objectives even on an idle pod goes last: to a pod where it costs the others
//! nothing, and where it would have been served well had it just come, so that hopeless requests cannot pile up where others
//! are about to give up. `queue.max_wait` bounds its wait.
//!
//! # State
//!
//! The filter does not offer it yet: it tells neither how answers go on nor how their lengths are distributed, and workers do
//! not tell each other what they run. Simulations run it with one worker.
//!
//! # Cost
//!
//! A pass reckons each pod once, in the number of its requests. It computes gains for the first eight waiting requests of each
//! class that can still make it and the first eight that cannot (the queue's lanes), on the [`SHORTLIST`] least burdened pods of
//! each deployment. Nothing is computed again while nothing has changed and less than [`LOOK_AGAIN`] has passed.

mod course;
mod fit;
mod learner;
mod meter;
mod outlook;
mod placing;
mod pod;
mod speed;
mod step;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::learner::Learner;
use self::outlook::Outlook;
use self::placing::Placing;
use self::pod::Occupancy;
use self::speed::Speed;
use super::least_request::LeastRequest;
use super::{Decision, Observation, Pass, Policy};
use crate::scheduling::pool::Deployment;
use crate::scheduling::request::{Request, RequestId};
use crate::scheduling::time::Instant;
use crate::scheduling::view::View;

/// Pods of each deployment that a pass considers for a request.
const SHORTLIST: usize = 4;

/// What waits is judged again after this time: streams go on by a token or two.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Relative standard deviation of a request's pace around what is predicted when it is placed, for what comes and goes on
/// its pod later.
const SPREAD: f64 = 0.1;
/// What is added to it while requests wait: whatever a pod gets rid of is then replaced at once, so it seldom gets quieter
/// and often busier.
const SPREAD_UNDER_PRESSURE: f64 = 0.25;
/// Time constant of the pressure.
const PRESSURE_WINDOW_S: f64 = 5.0;

/// See the module.
#[derive(Default)]
pub(super) struct Attainment {
    learner: Learner,
    pressure: Pressure,
    last: Option<Look>,
    fallback: LeastRequest,
}

/// The share of time in which requests are held, moving.
#[derive(Clone, Copy, Debug, Default)]
struct Pressure {
    share: f64,
    at: Instant,
}

/// What a pass looked at.
#[derive(Clone, Copy, Debug)]
struct Look {
    in_flight: u32,
    newest: RequestId,
    at: Instant,
}

// === impl Attainment ===

impl Attainment {
    /// Whether something has changed since the last pass, or enough time has passed.
    fn is_due(&mut self, view: &View<'_>, waiting: &[&Request], now: Instant) -> bool {
        let in_flight = (0..view.pool().pods().len()).map(|position| view.state(position).in_flight).sum();
        let newest = waiting.iter().map(|request| request.arrival.id).max().unwrap_or_default();
        let is_due = self.last.is_none_or(|last| {
            (last.in_flight, last.newest) != (in_flight, newest) || now.since(last.at) >= LOOK_AGAIN
        });
        if is_due {
            self.last = Some(Look { in_flight, newest, at: now });
        }
        is_due
    }

    /// How a pod goes on; `None` if its deployment is not known well enough.
    fn outlook(&mut self, view: &View<'_>, position: usize, now: Instant) -> Option<Outlook> {
        let pod = view.pool().pods().get(position)?;
        let deployment = view.pool().deployments().get(pod.deployment)?.id;
        let speed = self.learner.speed(deployment)?;
        let (model, is_good) = (*speed.model(), speed.is_good());
        let spread = self.spread(speed);
        let occupancy = Occupancy::reckon(view.runs(position), &model, now);
        let stalled_share = self.learner.see(pod.id, occupancy.levels(&model), now);
        is_good.then(|| Outlook::new(occupancy, model, stalled_share, spread))
    }

    /// How an idle pod would go on.
    fn idle(&self, deployment: &Deployment) -> Option<Outlook> {
        let speed = self.learner.speed(deployment.id).filter(|speed| speed.is_good())?;
        Some(Outlook::idle(*speed.model(), self.spread(speed)))
    }

    fn spread(&self, speed: &Speed) -> f64 {
        speed.error().hypot(SPREAD) + SPREAD_UNDER_PRESSURE * self.pressure.share
    }

    /// Whether all deployments that may run a request are known well enough.
    fn can_judge(&self, request: &Request) -> bool {
        let is_known = |deployment| self.learner.speed(deployment).is_some_and(Speed::is_good);
        request.prospects.iter().all(|prospect| is_known(prospect.deployment_id))
    }
}

impl Policy for Attainment {
    fn pass(&mut self, view: &mut View<'_>, waiting: &[&Request], pass: &mut Pass<'_>) -> Vec<Decision> {
        if !self.is_due(view, waiting, pass.now) {
            return Vec::new();
        }
        self.pressure.update(waiting.len() > 1, pass.now);
        self.learner.meet(view.pool());
        let (judged, unjudged): (Vec<&Request>, _) = waiting.iter().partition(|request| self.can_judge(request));
        let mut decisions = self.fallback.pass(view, &unjudged, pass);
        let pool = view.pool();
        let outlooks = (0..pool.pods().len()).map(|position| self.outlook(view, position, pass.now)).collect();
        let idle: Vec<_> = pool.deployments().iter().map(|deployment| self.idle(deployment)).collect();
        let mut placing = Placing::new(judged, outlooks, &idle, pass.now);
        while let Some((request, position)) = placing.next(view) {
            let Some(prospect) = pool.pods().get(position).and_then(|pod| request.on(pod.deployment)) else { continue };
            view.place(position, prospect.load);
            view.add_run(position, request.as_run(prospect, pass.now));
            placing.replace(position, self.outlook(view, position, pass.now));
            decisions.push(Decision { request: request.arrival.id, pod: position });
        }
        decisions
    }

    fn observe(&mut self, observation: &Observation<'_>, now: Instant) {
        match *observation {
            Observation::Placed(request, pod, deployment) => self.learner.placed(request, pod, deployment, now),
            Observation::FirstToken(id) => self.learner.first_token(id, now),
            Observation::Finished(id, outcome) => self.learner.ended(id, Some(outcome.shape.output_tokens), now),
            Observation::Failed(id) => self.learner.ended(id, None, now),
        }
    }
}

// === impl Pressure ===

impl Pressure {
    fn update(&mut self, is_holding: bool, now: Instant) {
        let seconds = now.seconds_since(self.at).max(0.0);
        let target = if is_holding { 1.0 } else { 0.0 };
        self.share += (target - self.share) * (1.0 - (-seconds / PRESSURE_WINDOW_S).exp());
        self.at = now;
    }
}
