//! `slo-attainment`: a request goes where the expected number of kept objectives grows most, or waits.

mod course;
mod deployment;
mod fit;
mod meter;
mod pod;
mod step;

use std::collections::HashMap;

use self::deployment::Speed;
use self::meter::{Meter, Reading};
use self::pod::{Occupancy, Pace, Stream};
use super::least_request::LeastRequest;
use super::{Decision, Observation, Pass, Policy};
use crate::scheduling::pool::{DeploymentId, PodId};
use crate::scheduling::request::{Request, RequestId};
use crate::scheduling::run::{Progress, Run};
use crate::scheduling::slo::Outcome;
use crate::scheduling::time::Instant;
use crate::scheduling::view::View;

/// Steps that a request must have decoded to be learned from.
const ENOUGH_STEPS: u32 = 12;

pub(super) fn knob(name: &str, default: f64) -> f64 {
    use std::sync::{Mutex, OnceLock};
    static KNOBS: OnceLock<Mutex<HashMap<String, f64>>> = OnceLock::new();
    let knobs = KNOBS.get_or_init(Default::default);
    *knobs
        .lock()
        .unwrap()
        .entry(name.to_owned())
        .or_insert_with(|| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default))
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
        }
    }

    fn meter(&mut self, pod: PodId, now: Instant) -> &mut Meter {
        let meter = self.meters.entry(pod).or_insert_with(|| Meter::new(now));
        meter.advance(now);
        meter
    }
}

struct Best {
    pod: usize,
    gain: f64,
    keeps: f64,
}

impl Attainment {
    fn tau(&self, speed: &Speed, requests: f64, context: f64, rho: f64) -> f64 {
        speed.model().step_s(requests, context) / (1.0 - rho * self.k_rho)
    }

    fn keeps(&self, stream: &Stream<'_>, pace: &Pace) -> f64 {
        if self.k_sigma == 0.0 {
            return stream.keeps(pace);
        }
        let at = |factor: f64| stream.keeps(&Pace { per_token_s: pace.per_token_s * factor, ..*pace });
        // Three-point Gauss–Hermite.
        let spread = 3f64.sqrt() * self.k_sigma;
        (at(1.0 - spread) + 4.0 * at(1.0) + at(1.0 + spread)) / 6.0
    }

    fn best(&self, view: &View<'_>, request: &Request, now: Instant) -> Option<Best> {
        let mut best: Option<Best> = None;
        for candidate in view.serving(request) {
            let deployment = candidate.prospect.deployment_id;
            let speed = self.speeds.get(&deployment)?;
            let runs = view.runs(candidate.position);
            let model = speed.model();
            let now_on = Occupancy::reckon(runs, model, now);
            let rho = self.meters.get(&candidate.pod.id).map_or(0.0, |meter| meter.stalled_share(now));
            let prompt = f64::from(request.arrival.shape.input_tokens);
            let stall_s = model.stall_s(prompt, now_on.requests);
            let before = Pace {
                delay_s: now_on.prefill_left_s,
                per_token_s: self.tau(speed, now_on.requests, now_on.context_tokens, rho),
            };
            let after = Pace {
                delay_s: now_on.prefill_left_s + stall_s,
                per_token_s: self.tau(
                    speed,
                    now_on.requests + 1.0,
                    now_on.context_tokens + prompt + self.k_grow.min(f64::from(request.arrival.shape.output_tokens)),
                    rho,
                ),
            };
            let newcomer = request.as_run(candidate.prospect, now);
            let elapsed_s = now.seconds_since(request.arrival.at);
            let stream = Stream {
                run: &newcomer,
                elapsed_s,
                tokens: 0.0,
                first_token_s: elapsed_s
                    + after.delay_s
                    + model.step_s(now_on.requests, now_on.context_tokens)
                    + model.base_s * knob("K_HALF", 0.5),
            };
            let keeps = self.keeps(&stream, &after) * newcomer.weight;
            let loss: f64 = now_on
                .streams
                .iter()
                .map(|stream| stream.run.weight * (self.keeps(stream, &before) - self.keeps(stream, &after)))
                .sum();
            let gain = keeps - loss - self.k_tie * after.per_token_s / 0.05;
            if best.as_ref().is_none_or(|best| gain > best.gain) {
                best = Some(Best { pod: candidate.position, gain, keeps });
            }
        }
        best
    }
}

impl Policy for Attainment {
    fn pass(&mut self, view: &mut View<'_>, waiting: &[&Request], pass: &mut Pass<'_>) -> Vec<Decision> {
        let pool = view.pool();
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
        let mut decisions = Vec::new();
        for request in waiting {
            let known = view
                .serving(request)
                .all(|candidate| self.speeds.get(&candidate.prospect.deployment_id).is_some_and(Speed::is_good));
            if !known {
                decisions.extend(self.fallback.pass(view, &[request], pass));
                continue;
            }
            let Some(best) = self.best(view, request, pass.now) else { continue };
            let late = best.keeps < self.k_late;
            let place = if late { best.gain > -0.15 } else { best.gain > self.k_hold * best.keeps };
            if place {
                let pod = best.pod;
                let position = pool.pods().get(pod).map_or(usize::MAX, |pod| pod.deployment);
                if let Some(prospect) = request.on(position) {
                    view.place(pod, prospect.load);
                    view.add_run(pod, request.as_run(prospect, pass.now));
                    decisions.push(Decision { request: request.arrival.id, pod });
                }
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
                let Some(tracked) = self.tracked.remove(&id) else { return };
                let meter = self.meter(tracked.pod, now);
                let steps = shape.output_tokens.saturating_sub(1);
                let sample = tracked.first_token.map(|from| meter.sample_since(&from, f64::from(steps)));
                meter.ended(f64::from(tracked.prompt_tokens.saturating_add(shape.output_tokens)));
                if let Some(sample) = sample.filter(|_| steps >= ENOUGH_STEPS)
                    && let Some(speed) = self.speeds.get_mut(&tracked.deployment)
                {
                    speed.learn(sample);
                    if knob("K_DEBUG", 0.0) > 0.0 {
                        eprintln!("{:?} {:?} err {:.3} {:?}", tracked.deployment, speed.model(), speed.error(), sample);
                    }
                }
            }
            Observation::Failed(id) => {
                if let Some(tracked) = self.tracked.remove(&id) {
                    self.meter(tracked.pod, now).ended(f64::from(tracked.prompt_tokens));
                }
            }
        }
    }
}
