//! Learning from this worker's requests how fast deployments are.

use std::collections::HashMap;

use super::meter::{Levels, Meter, Reading};
use super::speed::Speed;
use crate::scheduling::pool::{DeploymentId, Model, PodId, Pool};
use crate::scheduling::request::{Request, RequestId};
use crate::scheduling::time::Instant;

/// Steps that a request must have made to be learned from: a few are mostly chance.
const ENOUGH_STEPS: u32 = 12;

/// Speeds of deployments, meters of pods, and the requests that will teach.
#[derive(Debug, Default)]
pub(super) struct Learner {
    speeds: HashMap<DeploymentId, Speed>,
    meters: HashMap<PodId, Meter>,
    running: HashMap<RequestId, Lesson>,
}

/// A request that runs.
#[derive(Debug)]
struct Lesson {
    pod: PodId,
    deployment: DeploymentId,
    prompt_tokens: f64,
    /// When its pod's meter was read: when it was placed or, better, at its first token.
    from: Reading,
    streamed: bool,
}

// === impl Learner ===

impl Learner {
    /// Takes up what is new in the pool, and forgets what is gone.
    pub(super) fn meet(&mut self, pool: &Pool) {
        for deployment in pool.deployments() {
            self.speeds.entry(deployment.id).or_insert_with(|| Speed::new(deployment.profile(&Model::ANY)));
        }
        if self.speeds.len() > pool.deployments().len() {
            self.speeds.retain(|id, _| pool.deployments().iter().any(|deployment| deployment.id == *id));
        }
        if self.meters.len() > pool.pods().len() {
            self.meters.retain(|id, _| pool.pods().iter().any(|pod| pod.id == *id));
        }
    }

    /// How fast a deployment is.
    pub(super) fn speed(&self, deployment: DeploymentId) -> Option<&Speed> {
        self.speeds.get(&deployment)
    }

    /// Corrects a pod's meter by what was seen on it; the share of time in which prompts stall it.
    pub(super) fn see(&mut self, pod: PodId, levels: Levels, now: Instant) -> f64 {
        let meter = self.meter(pod, now);
        meter.correct(levels);
        meter.stalled_share()
    }

    /// A request was placed.
    pub(super) fn placed(&mut self, request: &Request, pod: PodId, deployment: DeploymentId, now: Instant) {
        let prompt_tokens = f64::from(request.arrival.shape.input_tokens);
        let requests = self.meter(pod, now).requests();
        let stall_s = self.speed(deployment).map_or(0.0, |speed| speed.model().stall_s(prompt_tokens, requests));
        let meter = self.meter(pod, now);
        let from = meter.read();
        meter.came(prompt_tokens, stall_s);
        self.running.insert(request.arrival.id, Lesson { pod, deployment, prompt_tokens, from, streamed: false });
    }

    /// A request's first token came.
    pub(super) fn first_token(&mut self, id: RequestId, now: Instant) {
        let Some(pod) = self.running.get(&id).map(|lesson| lesson.pod) else { return };
        let from = self.meter(pod, now).read();
        if let Some(lesson) = self.running.get_mut(&id) {
            (lesson.from, lesson.streamed) = (from, true);
        }
    }

    /// A request ended; with this many output tokens, if it ended well.
    pub(super) fn ended(&mut self, id: RequestId, output_tokens: Option<u32>, now: Instant) {
        let Some(lesson) = self.running.remove(&id) else { return };
        let meter = self.meter(lesson.pod, now);
        let tokens = output_tokens.unwrap_or(0);
        meter.ended(lesson.prompt_tokens + f64::from(tokens));
        // From the first token on, one step less than tokens; from the placement on, one for each.
        let steps = tokens.saturating_sub(u32::from(lesson.streamed));
        if steps < ENOUGH_STEPS {
            return;
        }
        let sample = meter.since(&lesson.from, f64::from(steps));
        if let Some(speed) = self.speeds.get_mut(&lesson.deployment) {
            speed.learn(sample);
        }
    }

    fn meter(&mut self, pod: PodId, now: Instant) -> &mut Meter {
        let meter = self.meters.entry(pod).or_insert_with(|| Meter::new(now));
        meter.advance(now);
        meter
    }
}
