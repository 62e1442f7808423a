//! How fast the deployments are: learned online from every request that ends, with the profile as the start.
//!
//! An iteration of a pod takes `a + b·n + c·K` seconds for n requests with K tokens of context ([`step`]). The coefficients are
//! fitted ([`fit`]) to what requests took ([`speed`]), explained by what their pods had to do meanwhile ([`meter`]).

mod fit;
mod meter;
mod speed;
mod step;
#[cfg(test)]
mod tests;

use fnv::FnvHashMap;

pub use self::meter::Levels;
use self::meter::{Meter, Reading};
pub use self::speed::{Learned, Speed};
pub use self::step::StepModel;
use super::pool::{DeploymentId, PodId, Pool};
use super::request::RequestId;
use super::time::Instant;

/// Steps that a request must have made to be learned from: a few are mostly chance.
const ENOUGH_STEPS: u32 = 12;

/// Speeds of deployments, meters of pods, and the requests that will teach.
#[derive(Debug, Default)]
pub struct Speeds {
    speeds: FnvHashMap<DeploymentId, Speed>,
    meters: FnvHashMap<PodId, Meter>,
    running: FnvHashMap<RequestId, Lesson>,
}

/// A request of this VM that runs.
#[derive(Debug)]
struct Lesson {
    pod: PodId,
    deployment: DeploymentId,
    prompt_tokens: f64,
    /// When its pod's meter was read: when it was placed or, better, at its first token.
    from: Reading,
    streamed: bool,
}

// === impl Speeds ===

impl Speeds {
    /// Takes up what is new in a pool, and forgets what is gone.
    pub fn meet(&mut self, pool: &Pool) {
        self.speeds.retain(|id, _| pool.deployments().iter().any(|deployment| deployment.id == *id));
        self.meters.retain(|id, _| pool.pods().iter().any(|pod| pod.id == *id));
        for deployment in pool.deployments() {
            let profile = deployment.any_profile();
            match self.speeds.get_mut(&deployment.id) {
                Some(speed) => speed.start_from(profile),
                None => drop(self.speeds.insert(deployment.id, Speed::new(profile))),
            }
        }
    }

    /// How fast a deployment is.
    pub fn of(&self, deployment: DeploymentId) -> Option<&Speed> {
        self.speeds.get(&deployment)
    }

    /// All of them, to exchange what was learned with other VMs.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (DeploymentId, &mut Speed)> {
        self.speeds.iter_mut().map(|(deployment, speed)| (*deployment, speed))
    }

    /// Corrects a pod's meter by what was seen on it; the share of time in which prompts stall it.
    pub fn see(&mut self, pod: PodId, levels: Levels, now: Instant) -> f64 {
        let meter = self.meter(pod, now);
        meter.correct(levels);
        meter.stalled_share()
    }

    /// A request of this VM was placed.
    pub fn placed(
        &mut self,
        id: RequestId,
        prompt_tokens: u32,
        (pod, deployment): (PodId, DeploymentId),
        now: Instant,
    ) {
        let from = self.meter(pod, now).read();
        self.came(prompt_tokens, (pod, deployment), now);
        let prompt_tokens = f64::from(prompt_tokens);
        self.running.insert(id, Lesson { pod, deployment, prompt_tokens, from, streamed: false });
    }

    /// A request came to a pod, from whichever VM.
    pub fn came(&mut self, prompt_tokens: u32, (pod, deployment): (PodId, DeploymentId), now: Instant) {
        let prompt_tokens = f64::from(prompt_tokens);
        let requests = self.meter(pod, now).requests();
        let stall_s = self.of(deployment).map_or(0.0, |speed| speed.model().stall_s(prompt_tokens, requests));
        self.meter(pod, now).came(prompt_tokens, stall_s);
    }

    /// The first token came of a request of this VM.
    pub fn first_token(&mut self, id: RequestId, now: Instant) {
        let Some(pod) = self.running.get(&id).map(|lesson| lesson.pod) else { return };
        let from = self.meter(pod, now).read();
        if let Some(lesson) = self.running.get_mut(&id) {
            (lesson.from, lesson.streamed) = (from, true);
        }
    }

    /// A request of this VM ended; with this many output tokens, if it ended well.
    pub fn ended(&mut self, id: RequestId, output_tokens: Option<u32>, now: Instant) {
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
