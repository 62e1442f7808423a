//! Latency models of the deployments: learned online from every answer, with the profile as the
//! start.
//!
//! An iteration of a pod takes `a + b·n + c·K` seconds for n requests with K tokens of context
//! ([`step`]). The coefficients are fitted ([`fit`]) to what requests took ([`model`]), explained
//! by what their pods had to do meanwhile ([`load_integral`]). What prompts cost shows in first
//! tokens, too. Where all requests are off by one factor, everything has changed by it, and that is
//! taken up within some dozens of answers.

mod capacity;
mod deviation;
mod fit;
mod kv_capacity;
mod load_integral;
mod model;
mod observation;
mod prompts;
mod step;
mod sustained;
#[cfg(test)]
mod tests;

use fnv::FnvHashMap;

pub use self::capacity::Capacity;
use self::fit::Sample;
use self::kv_capacity::KvCapacity;
pub use self::load_integral::Levels;
use self::load_integral::LoadIntegral;
pub use self::model::{LatencyModel, Learned};
use self::observation::Prefill;
pub use self::observation::{ExpectedPrompt, PodObservation};
pub use self::prompts::ComputedShares;
use self::prompts::{ComputedPrompt, Evidence};
use self::step::FREE_TOKENS;
pub use self::step::StepModel;
use self::sustained::Stay;
use super::pool::{DeploymentId, PodId, Pool};
use super::time::Instant;

/// Steps that a request must have made to be learned from: a few are mostly chance.
const ENOUGH_STEPS: u32 = 12;

/// After so many steps a stream is learned from though it goes on: a pod that turned slow must not
/// be found out only when its answers end.
const MANY_STEPS: u32 = 64;

/// Latency models of deployments, and integrals of the load of pods.
#[derive(Debug, Default)]
pub struct LatencyModels {
    models: FnvHashMap<DeploymentId, LatencyModel>,
    integrals: FnvHashMap<PodId, LoadIntegral>,
    kv_capacities: FnvHashMap<DeploymentId, KvCapacity>,
    learns: bool,
}

/// End of an answer that came whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Tokens of its prompt.
    pub prompt_tokens: u32,
    /// Tokens of it.
    pub output_tokens: u32,
    /// Tokens of its prompt that were found in a cache, where that was told.
    pub cached_tokens: Option<u32>,
    /// `true` where it would have kept its objective had it not waited before it was placed; `None`
    /// where it has none.
    pub kept: Option<bool>,
}

/// A prompt that takes less than so many iterations says nothing of caches: its first token comes
/// with the next one either way.
const TELLING_STEPS: f64 = 2.0;

/// The weight of what a first token tells of how fast prompts are computed, against an answer of
/// usual length.
const PREFILL_WEIGHT: f64 = 0.5;

// === impl LatencyModels ===

impl LatencyModels {
    /// `learns`: else the profiles count for ever, and what has none is never known.
    pub fn new(learns: bool) -> Self {
        Self { learns, ..Self::default() }
    }

    /// Takes up what is new in a pool, and forgets what is gone.
    pub fn meet(&mut self, pool: &Pool) {
        self.models.retain(|id, _| pool.deployments().iter().any(|deployment| deployment.id == *id));
        let pods: Vec<PodId> = pool.pods().iter().map(|pod| pod.id).collect();
        self.integrals.retain(|id, _| pods.contains(id));
        self.kv_capacities.retain(|id, _| pool.deployments().iter().any(|deployment| deployment.id == *id));
        self.models.values_mut().for_each(|latency_model| latency_model.keep_to(&pods));
        for deployment in pool.deployments() {
            let profile = deployment.any_profile();
            match self.models.get_mut(&deployment.id) {
                Some(latency_model) => latency_model.start_from(profile),
                None => drop(self.models.insert(deployment.id, LatencyModel::new(profile))),
            }
        }
    }

    /// Returns the speed of a deployment.
    pub fn of(&self, deployment: DeploymentId) -> Option<&LatencyModel> {
        self.models.get(&deployment)
    }

    /// All of them, to exchange what was learned with other VMs.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (DeploymentId, &mut LatencyModel)> {
        self.models.iter_mut().map(|(deployment, latency_model)| (*deployment, latency_model))
    }

    /// Updates the integral of a pod's load by what was seen on it; returns the share of time in
    /// which prompts stall it.
    pub fn see(&mut self, pod: PodId, levels: Levels, now: Instant) -> f64 {
        let integral = self.integral(pod, now);
        integral.correct(levels);
        integral.stalled_share()
    }

    /// Takes what was seen on a pod of a deployment: so many tokens in its cache, and whether it is
    /// late to begin a prompt. Returns how many it has room for, as far as that is known; else
    /// infinitely many.
    pub fn room(&mut self, deployment: DeploymentId, tokens: f64, late: bool, now: Instant) -> f64 {
        if !self.learns {
            return f64::INFINITY;
        }
        let room = KvCapacity::seen(self.kv_capacities.get(&deployment).copied(), tokens, late, now);
        if let Some(room) = room {
            self.kv_capacities.insert(deployment, room);
        }
        room.map_or(f64::INFINITY, |room| room.tokens())
    }

    /// Tokens that a pod of a deployment has room for in its cache, as far as that is known.
    pub fn kv_capacity(&self, deployment: DeploymentId) -> Option<f64> {
        self.kv_capacities.get(&deployment).map(KvCapacity::tokens)
    }

    /// A request of this VM was placed. Returns the observation that its answer goes on and its end
    /// concludes.
    #[must_use]
    pub fn placed(
        &mut self,
        prompt: ExpectedPrompt,
        (pod, deployment): (PodId, DeploymentId),
        now: Instant,
    ) -> PodObservation {
        let integral = self.integral(pod, now);
        let (from, requests, context_tokens) = (integral.read(), integral.requests(), integral.context_tokens());
        let before = integral.prefill_until();
        self.came(prompt.tokens, prompt.computed_tokens, (pod, deployment), now);
        let done_at = self.integral(pod, now).prefill_until();
        let model = self.of(deployment).map(|latency_model| latency_model.model_of(pod));
        let step_s = model.map_or(0.0, |model| model.step_s(requests, context_tokens));
        let whole_s = model.map_or(0.0, |model| model.stall_s(prompt.tokens, requests));
        let wait_s = before.seconds_since(now).max(0.0) + if requests > 0.0 { 1.5 * step_s } else { step_s };
        let is_next = before <= now;
        let prefill = Prefill { placed_at: now, wait_s, whole_s, step_s, done_at, requests, context_tokens, is_next };
        PodObservation { pod, deployment, prompt, prefill, from, streamed: false, tokens: 0, found_tokens: None }
    }

    /// A request came to a pod, from whichever VM, of whose prompt so much is to be computed.
    pub fn came(
        &mut self,
        prompt_tokens: f64,
        computed_tokens: f64,
        (pod, deployment): (PodId, DeploymentId),
        now: Instant,
    ) {
        let requests = self.integral(pod, now).requests();
        let latency_model = self.of(deployment);
        let stall_s =
            latency_model.map_or(0.0, |latency_model| latency_model.model_of(pod).stall_s(computed_tokens, requests));
        let base_s = latency_model.map_or(0.0, |latency_model| latency_model.model_of(pod).base_s);
        self.integral(pod, now).came(prompt_tokens, computed_tokens, stall_s, base_s);
    }

    /// The streamed answer to a request of this VM has so many tokens now, one or more.
    pub fn went_on(&mut self, observation: &mut PodObservation, tokens: u32, now: Instant) {
        let PodObservation { pod, deployment, from, streamed, .. } = *observation;
        let steps = tokens.saturating_sub(observation.tokens);
        if streamed && steps < MANY_STEPS {
            return;
        }
        if !streamed {
            observation.found_tokens = self.began(&observation.prompt, observation.prefill, (pod, deployment), now);
        }
        let integral = self.integral(pod, now);
        let (sample, read) = (integral.since(&from, f64::from(steps)), integral.read());
        (observation.from, observation.streamed, observation.tokens) = (read, true, tokens);
        if let Some(model) = self.models.get_mut(&deployment).filter(|_| self.learns && streamed) {
            model.learn(pod, sample);
        }
    }

    /// The first token of an answer came: how much of the prompt was computed shows in how soon it
    /// came. Returns how many tokens of what was expected in the pod's cache it seems to have found
    /// there, where that can be told.
    fn began(
        &mut self,
        prompt: &ExpectedPrompt,
        prefill: Prefill,
        (pod, deployment): (PodId, DeploymentId),
        now: Instant,
    ) -> Option<u32> {
        self.integral(pod, now).shift_prefill(prefill.done_at, now);
        if prefill.whole_s < TELLING_STEPS * prefill.step_s {
            return None;
        }
        let took_s = now.seconds_since(prefill.placed_at) - prefill.wait_s;
        let latency_model = self.models.get_mut(&deployment).filter(|_| self.learns)?;
        let share = (took_s / prefill.whole_s).clamp(0.0, 2.0);
        latency_model.learn_prompt(ComputedPrompt {
            prompt_tokens: prompt.tokens,
            share,
            evidence: Evidence::FirstToken,
            was_expected: prompt.is_hit_expected(),
        });
        if prefill.is_next && prompt.is_certain() {
            latency_model.learn_prefill(pod, prompt, |computed_tokens| Sample {
                requests: prefill.requests + 1.0,
                context_tokens: prefill.context_tokens,
                prefill_tokens_per_step: (computed_tokens - FREE_TOKENS).max(0.0),
                step_s: took_s + prefill.step_s,
                weight: PREFILL_WEIGHT,
            });
        }
        prompt.found_tokens(share)
    }

    /// A request of this VM ended: as `answer`, if it ended well.
    pub fn ended(&mut self, observation: PodObservation, answer: Option<Ended>, now: Instant) {
        let learns = self.learns;
        if let Some((Ended { cached_tokens, kept, .. }, latency_model)) =
            answer.zip(self.models.get_mut(&observation.deployment)).filter(|_| learns)
        {
            let prompt = &observation.prompt;
            if let Some(cached) = cached_tokens.filter(|_| prompt.tokens > 0.0) {
                let share = (1.0 - f64::from(cached) / prompt.tokens).max(0.0);
                let was_expected = prompt.is_hit_expected();
                let evidence = Evidence::Told;
                latency_model.learn_prompt(ComputedPrompt {
                    prompt_tokens: prompt.tokens,
                    share,
                    evidence,
                    was_expected,
                });
            }
            if let Some(kept) = kept {
                let Prefill { placed_at, requests, .. } = observation.prefill;
                latency_model.learn_stay(Stay {
                    requests: requests + 1.0,
                    seconds: now.seconds_since(placed_at),
                    kept,
                });
            }
        }
        let integral = self.integral(observation.pod, now);
        let tokens = answer.map_or(0, |answer| answer.output_tokens);
        integral.ended(observation.prompt.tokens + f64::from(tokens));
        // From the first token on, one step less than tokens; from the placement on, one for each.
        let steps = tokens.saturating_sub(observation.tokens);
        if steps < ENOUGH_STEPS {
            return;
        }
        let sample = integral.since(&observation.from, f64::from(steps));
        if let Some(latency_model) = self.models.get_mut(&observation.deployment).filter(|_| self.learns) {
            latency_model.learn(observation.pod, sample);
        }
    }

    fn integral(&mut self, pod: PodId, now: Instant) -> &mut LoadIntegral {
        let integral = self.integrals.entry(pod).or_insert_with(|| LoadIntegral::new(now));
        integral.advance(now);
        integral
    }
}
