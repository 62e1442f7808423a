//! `slo-attainment`: a request goes where the expected number of kept objectives grows most, or waits.

mod course;
mod deployment;
mod fit;
mod meter;
mod pod;
mod step;

use std::collections::HashMap;

use self::course::Limits;
use self::deployment::Speed;
use self::meter::{Meter, Reading};
use self::pod::{Occupancy, Pace, Stream};
use super::least_request::LeastRequest;
use super::{Decision, Observation, Pass, Policy};
use crate::scheduling::pool::{DeploymentId, PodId};
use crate::scheduling::request::{Request, RequestId};

use crate::scheduling::slo::Outcome;
use crate::scheduling::time::Instant;
use crate::scheduling::view::View;

/// Steps that a request must have decoded to be learned from.
const ENOUGH_STEPS: u32 = 12;

pub(super) fn knob(name: &'static str, default: f64) -> f64 {
    thread_local! { static KNOBS: std::cell::RefCell<fnv::FnvHashMap<usize, f64>> = Default::default(); }
    KNOBS.with_borrow_mut(|knobs| {
        *knobs
            .entry(name.as_ptr() as usize)
            .or_insert_with(|| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default))
    })
}

/// See the module.
pub(super) struct Attainment {
    speeds: HashMap<DeploymentId, Speed>,
    meters: HashMap<PodId, Meter>,
    tracked: HashMap<RequestId, Tracked>,
    fallback: LeastRequest,
    k_hold: f64,
    k_tie: f64,
    k_grow: f64,
    k_sigma: f64,
    k_rho: f64,
    k_late: f64,
    k_bias: f64,
    pressure: (f64, Instant),
    /// Paces that requests were placed by.
    expected: HashMap<RequestId, f64>,
    /// What the last pass saw: requests in flight, the newest that waits, and when it was.
    looked: (u32, RequestId, Instant),
}

/// A request of this worker that runs.
struct Tracked {
    pod: PodId,
    deployment: DeploymentId,
    prompt_tokens: u32,
    first_token: Option<Reading>,
}

impl Attainment {
    pub(super) fn new() -> Self {
        Self {
            speeds: HashMap::new(),
            meters: HashMap::new(),
            tracked: HashMap::new(),
            fallback: LeastRequest,
            k_hold: knob("K_HOLD", 0.3),
            k_tie: knob("K_TIE", 0.1),
            k_grow: knob("K_GROW", 150.0),
            k_sigma: knob("K_SIGMA", 0.0),
            k_rho: knob("K_RHO", 1.0),
            k_late: knob("K_LATE", 0.02),
            k_bias: knob("K_BIAS", 0.0),
            pressure: (0.0, Instant::ZERO),
            expected: HashMap::new(),
            looked: (0, RequestId(0), Instant::ZERO),
        }
    }

    fn meter(&mut self, pod: PodId, now: Instant) -> &mut Meter {
        let meter = self.meters.entry(pod).or_insert_with(|| Meter::new(now));
        meter.advance(now);
        meter
    }
}

struct PodNow {
    now_on: Occupancy,
    rho: f64,
    kept: f64,
}

struct Best {
    pod: usize,
    gain: f64,
    keeps: f64,
    per_token_s: f64,
    loss: f64,
    fresh: f64,
}

impl Attainment {
    fn pace(&self, speed: &Speed, requests: f64, context: f64, delay_s: f64, rho: f64) -> Pace {
        let per_token_s = speed.model().step_s(requests, context) / (1.0 - rho * self.k_rho);
        let spread = if self.k_sigma < 0.0 { speed.spread() } else { self.k_sigma };
        let bias = if self.k_bias > 0.0 { speed.bias() } else { 1.0 };
        Pace { delay_s, per_token_s: per_token_s * bias, spread }
    }

    fn reckon(&self, view: &View<'_>, position: usize, now: Instant) -> Option<PodNow> {
        let pod = view.pool().pods().get(position)?;
        let speed = self.speeds.get(&view.pool().deployments().get(pod.deployment)?.id)?;
        let now_on = Occupancy::reckon(view.runs(position), speed.model(), now);
        let rho = self.meters.get(&pod.id).map_or(0.0, |meter| meter.stalled_share(now));
        let before = self.pace(speed, now_on.requests, now_on.context_tokens, now_on.prefill_left_s, rho);
        let kept = now_on.expected_kept(&before);
        Some(PodNow { now_on, rho, kept })
    }

    /// The probability that a request keeps its objectives on an idle pod of the best deployment.
    fn alone(&self, request: &Request, now: Instant) -> f64 {
        let prompt = f64::from(request.arrival.shape.input_tokens);
        let elapsed_s = now.seconds_since(request.arrival.at);
        let on = |prospect: &crate::scheduling::request::Prospect| {
            let speed = self.speeds.get(&prospect.deployment_id)?;
            let model = speed.model();
            let pace = self.pace(speed, 1.0, prompt + 100.0, model.stall_s(prompt, 0.0), 0.0);
            let newcomer = Stream {
                weight: request.weight(),
                limits: Limits::of(&prospect.slo.unwrap_or_default(), prompt),
                lengths: request.arrival.lengths.clone(),
                tokens: 0.0,
                elapsed_s,
                first_token_s: elapsed_s + pace.delay_s + model.base_s,
            };
            Some(newcomer.keeps(&pace) * newcomer.weight)
        };
        request.prospects.iter().filter_map(on).fold(0.0, f64::max)
    }

    fn best(&self, view: &View<'_>, pods: &[Option<PodNow>], request: &Request, now: Instant) -> Option<Best> {
        let mut best: Option<Best> = None;
        let prompt = f64::from(request.arrival.shape.input_tokens);
        let elapsed_s = now.seconds_since(request.arrival.at);
        let grow = self.k_grow.min(f64::from(request.arrival.shape.output_tokens));
        for candidate in view.serving(request) {
            let speed = self.speeds.get(&candidate.prospect.deployment_id)?;
            let model = speed.model();
            let PodNow { now_on, rho, kept } = pods.get(candidate.position)?.as_ref()?;
            let stall_s = model.stall_s(prompt, now_on.requests);
            let context = now_on.context_tokens + prompt + grow;
            let after = self.pace(speed, now_on.requests + 1.0, context, now_on.prefill_left_s + stall_s, *rho);
            let half = if now_on.requests > 0.0 { 1.5 } else { 1.0 };
            let newcomer = Stream {
                weight: request.weight(),
                limits: Limits::of(&candidate.prospect.slo.unwrap_or_default(), prompt),
                lengths: request.arrival.lengths.clone(),
                tokens: 0.0,
                elapsed_s,
                first_token_s: elapsed_s + after.delay_s + half * model.step_s(now_on.requests, now_on.context_tokens),
            };
            let keeps = newcomer.keeps(&after) * newcomer.weight;
            let worth = keeps - self.k_tie * after.per_token_s / 0.05;
            if best.as_ref().is_some_and(|best| worth <= best.gain) {
                continue;
            }
            let loss = kept - now_on.expected_kept(&after);
            let gain = worth - loss;
            if best.as_ref().is_none_or(|best| gain > best.gain) {
                let fresh = Stream { elapsed_s: 0.0, first_token_s: newcomer.first_token_s - elapsed_s, ..newcomer.clone() };
                let fresh = fresh.keeps(&after) * fresh.weight;
                best = Some(Best { pod: candidate.position, gain, keeps, per_token_s: after.per_token_s, loss, fresh });
            }
        }
        best
    }
}

impl Policy for Attainment {
    fn pass(&mut self, view: &mut View<'_>, waiting: &[&Request], pass: &mut Pass<'_>) -> Vec<Decision> {
        let pool = view.pool();
        let in_flight = (0..pool.pods().len()).map(|position| view.state(position).in_flight).sum();
        let newest = waiting.iter().map(|request| request.arrival.id).max().unwrap_or_default();
        let (last_in_flight, last_newest, last) = self.looked;
        if (last_in_flight, last_newest) == (in_flight, newest) && pass.now.seconds_since(last) < knob("K_LOOK", 0.05) {
            return Vec::new();
        }
        self.looked = (in_flight, newest, pass.now);
        let held = f64::from(u8::from(waiting.len() > 1));
        let dt = pass.now.seconds_since(self.pressure.1).max(0.0);
        self.pressure.0 += (held - self.pressure.0) * (1.0 - (-dt / knob("K_PW", 5.0)).exp());
        self.pressure.1 = pass.now;
        self.k_sigma = knob("K_SIGMA", 0.1) + knob("K_SIGMA_W", 0.0) * self.pressure.0;
        for deployment in pool.deployments() {
            self.speeds
                .entry(deployment.id)
                .or_insert_with(|| Speed::new(deployment.profile(&crate::scheduling::pool::Model::ANY)));
        }
        for (position, pod) in pool.pods().iter().enumerate() {
            let Some(speed) =
                pool.deployments().get(pod.deployment).and_then(|deployment| self.speeds.get(&deployment.id))
            else {
                continue;
            };
            let occupancy = Occupancy::reckon(view.runs(position), speed.model(), pass.now);
            let decoding = occupancy.streams.iter().filter(|stream| stream.tokens > 0.0).count() as f64;
            let step_s = speed.model().step_s(occupancy.requests, occupancy.context_tokens);
            let meter = self.meters.entry(pod.id).or_insert_with(|| Meter::new(pass.now));
            meter.advance(pass.now);
            meter.correct(occupancy.requests, occupancy.context_tokens, decoding, step_s);
        }
        let mut pods: Vec<_> = (0..pool.pods().len()).map(|position| self.reckon(view, position, pass.now)).collect();
        let mut decisions = Vec::new();
        let mut judged: Vec<&Request> = Vec::new();
        for request in waiting {
            let known = view
                .serving(request)
                .all(|candidate| self.speeds.get(&candidate.prospect.deployment_id).is_some_and(Speed::is_good));
            if !known {
                decisions.extend(self.fallback.pass(view, &[request], pass));
                continue;
            }
            judged.push(*request);
        }
        while !judged.is_empty() {
            let mut chosen: Option<(usize, Best, f64)> = None;
            for (index, request) in judged.iter().enumerate() {
                let Some(best) = self.best(view, &pods, request, pass.now) else { continue };
                let idle = self.alone(request, pass.now);
                let late = idle < self.k_late * request.weight();
                let place = if late {
                    let fresh = self.alone(request, request.arrival.at);
                    best.fresh > knob("K_FRESH", 0.5) * fresh && best.loss < knob("K_LOSS", 0.05)
                } else {
                    best.gain > self.k_hold * (best.keeps + knob("K_IDLE", 0.0) * (idle - best.keeps))
                };
                let value = if knob("K_BEST", 1.0) > 0.5 { best.gain } else { -(index as f64) };
                if place && chosen.as_ref().is_none_or(|(_, _, most)| value > *most) {
                    chosen = Some((index, best, value));
                }
            }
            let Some((index, best, _)) = chosen else { break };
            let request = judged.swap_remove(index);
            let pod = best.pod;
            let position = pool.pods().get(pod).map_or(usize::MAX, |pod| pod.deployment);
            if let Some(prospect) = request.on(position) {
                self.expected.insert(request.arrival.id, best.per_token_s);
                view.place(pod, prospect.load);
                view.add_run(pod, request.as_run(prospect, pass.now));
                let again = self.reckon(view, pod, pass.now);
                if let Some(stale) = pods.get_mut(pod) {
                    *stale = again;
                }
                decisions.push(Decision { request: request.arrival.id, pod });
            }
        }
        decisions
    }

    fn observe(&mut self, observation: &Observation<'_>, now: Instant) {
        match *observation {
            Observation::Placed(request, pod, deployment) => {
                let prompt_tokens = request.arrival.shape.input_tokens;
                let stall_s = self.speeds.get(&deployment).map_or(0.0, |speed| {
                    let requests = self.meters.get(&pod).map_or(0.0, Meter::requests);
                    speed.model().stall_s(f64::from(prompt_tokens), requests)
                });
                self.meter(pod, now).placed(f64::from(prompt_tokens), stall_s);
                self.tracked
                    .insert(request.arrival.id, Tracked { pod, deployment, prompt_tokens, first_token: None });
            }
            Observation::FirstToken(id) => {
                let Some(tracked) = self.tracked.get(&id) else { return };
                let (pod, prompt) = (tracked.pod, f64::from(tracked.prompt_tokens));
                let meter = self.meter(pod, now);
                meter.first_token(prompt);
                let reading = meter.read();
                if let Some(tracked) = self.tracked.get_mut(&id) {
                    tracked.first_token = Some(reading);
                }
            }
            Observation::Finished(id, Outcome { shape, .. }) => {
                let expected = self.expected.remove(&id);
                let Some(tracked) = self.tracked.remove(&id) else { return };
                let meter = self.meter(tracked.pod, now);
                let steps = shape.output_tokens.saturating_sub(1);
                let sample = tracked.first_token.map(|from| meter.sample_since(&from, f64::from(steps)));
                meter.ended(f64::from(tracked.prompt_tokens.saturating_add(shape.output_tokens)));
                if let Some(sample) = sample.filter(|_| steps >= ENOUGH_STEPS)
                    && let Some(speed) = self.speeds.get_mut(&tracked.deployment)
                {
                    speed.learn(sample);
                    if let Some(expected_s) = expected {
                        speed.compare(sample.step_s, expected_s);
                    }
                }
            }
            Observation::Failed(id) => {
                self.expected.remove(&id);
                if let Some(tracked) = self.tracked.remove(&id) {
                    self.meter(tracked.pod, now).ended(f64::from(tracked.prompt_tokens));
                }
            }
        }
    }
}
