//! The one home of what is learned: from the answers of each model how long they are and how many
//! characters a token has, and from the requests on the pods of each deployment how fast these are,
//! what their prefix caches hold and how long, and how many requests they sustain.
//!
//! Policies read it, and the workers of a pool [exchange](super::exchange) it.

use std::rc::Rc;
use std::time::Duration;

use super::answers::{Learning, Prediction};
use super::exchange::{SharedPart, exchange};
use crate::scheduling::latency_model::{Ended, ExpectedPrompt, LatencyModel, LatencyModels, Learned, PodObservation};
use crate::scheduling::occupancy;
use crate::scheduling::policies::Round;
use crate::scheduling::pool::{DeploymentId, PodId, Pool};
use crate::scheduling::prefix::{
    Outcomes, PlacedPrompt, PrefixHit, PrefixIndex, PrefixMode, RecentPlacements, Retention, ServedTokens,
};
use crate::scheduling::request::Arrival;
use crate::scheduling::time::Instant;
use crate::scheduling::view::View;
use crate::shared::{Keys, Store};

/// Interval at which what was learned of pods is exchanged, and what runs on them is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Beginnings of prompts that are known: one for a thousand tokens that all pods cache together is
/// enough.
const HEADS_KEPT: usize = 65_536;

/// See the module.
#[derive(Debug)]
pub struct Knowledge {
    answers: Learning,
    latency_models: LatencyModels,
    /// Pods by what they computed, where that is learned.
    prefixes: Option<PrefixIndex>,
    /// `true` where requests are placed by it.
    routes_by_prefix: bool,
    /// Number of the placements of other gateways that were taken.
    peer_placements: u64,
    /// Instant at which the last turn of exchanging and looking began.
    turn_began_at: Option<Instant>,
    /// The pod that is looked at next, while the last look is not through.
    next_pod: usize,
}

// === impl Knowledge ===

impl Knowledge {
    /// Knows nothing yet. `corrects_profiles`: else the profiles count for ever.
    pub fn new(prediction: Prediction, corrects_profiles: bool, prefix: PrefixMode) -> Self {
        Self {
            answers: Learning::new(prediction),
            latency_models: LatencyModels::new(corrects_profiles),
            prefixes: (prefix != PrefixMode::Off).then(|| PrefixIndex::new(HEADS_KEPT)),
            routes_by_prefix: prefix == PrefixMode::Route,
            peer_placements: 0,
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

    /// Takes up what is new in a pool, and forgets what is gone.
    pub fn meet(&mut self, pool: &Pool) {
        self.latency_models.meet(pool);
        if let Some(prefixes) = &mut self.prefixes {
            let has_deployment = |id| pool.deployments().iter().any(|deployment| deployment.id == id);
            prefixes.retain(|pod| pool.position(pod).is_some(), has_deployment);
        }
    }

    /// Returns the context of a round that has taken no look yet.
    pub fn round<'a>(&'a mut self, now: Instant, rng: &'a mut fastrand::Rng) -> Round<'a> {
        let prefixes = self.prefixes.as_ref().filter(|_| self.routes_by_prefix);
        Round { prefixes, ..Round::new(now, rng, &mut self.latency_models) }
    }

    /// A request goes to a pod of a deployment. Returns what is expected of the pod's cache; `None`
    /// where that is not learned.
    pub fn place(&mut self, arrival: &Arrival, pod: PodId, deployment: DeploymentId) -> Option<PlacedPrompt> {
        let Arrival { heads, shape, .. } = arrival;
        Some(self.prefixes.as_mut()?.placed(Rc::clone(heads), shape.input_tokens, pod, deployment))
    }

    /// Returns the last prompts that this VM sent to pods, for the others.
    pub fn placements(&self) -> RecentPlacements {
        self.prefixes.as_ref().map(|prefixes| prefixes.placements().clone()).unwrap_or_default()
    }

    /// Takes the prompts that another VM sent to pods, of which the first `seen` were taken before.
    /// Returns the number of those that it took.
    pub fn take_placements(&mut self, placements: &RecentPlacements, seen: u64) -> usize {
        self.prefixes.as_mut().map_or(0, |prefixes| prefixes.learn(placements, seen))
    }

    /// Takes the prompts that other gateways sent to pods of this pool, but those that were taken
    /// before.
    pub fn take_peer_placements(&mut self, placements: &RecentPlacements, pool: &Pool) {
        if let Some(prefixes) = &mut self.prefixes {
            prefixes.learn_of_peers(placements, self.peer_placements, |pod| pool.deployment_of(pod));
        }
        self.peer_placements = placements.sequence();
    }

    /// Returns how much of a prompt a pod is expected to compute.
    pub fn expected_prompt(&self, tokens: u32, deployment: DeploymentId, hit: Option<PrefixHit>) -> ExpectedPrompt {
        let all_tokens = f64::from(tokens);
        let unexpected_tokens = self
            .latency_models
            .of(deployment)
            .map_or(all_tokens, |latency_model| latency_model.unexpected_shares().computed_tokens(all_tokens));
        ExpectedPrompt::new(tokens, unexpected_tokens, hit)
    }

    /// A request of this VM ended: as `answer`, if it ended well.
    pub fn ended(
        &mut self,
        placed: Option<&PlacedPrompt>,
        observation: PodObservation,
        answer: Option<Ended>,
        now: Instant,
    ) {
        if let (Some(prefixes), Some(placed), Some(answer)) = (&mut self.prefixes, placed, &answer) {
            let measured = ServedTokens {
                prompt_tokens: answer.prompt_tokens,
                output_tokens: answer.output_tokens,
                cached_tokens: answer.cached_tokens.or(observation.found_tokens()),
            };
            prefixes.answered(placed, &measured);
        }
        self.latency_models.ended(observation, answer, now);
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
        for (deployment, retention) in self.prefixes.iter_mut().flat_map(PrefixIndex::retention_mut) {
            exchange(store, &keys.retention(deployment), retention);
        }
        true
    }

    /// Looks at what runs on as many pods as a call may take, from the one on where the last look
    /// ended.
    pub fn look(&mut self, view: &View<'_>, now: Instant) {
        self.next_pod = occupancy::watch(view, self.next_pod, &mut self.latency_models, now);
        for deployment in view.pool().deployments() {
            let capacity = self.latency_models.kv_capacity(deployment.id);
            if let (Some(prefixes), Some(tokens)) = (&mut self.prefixes, capacity) {
                prefixes.set_capacity(deployment.id, tokens);
            }
        }
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

// === impl Retention ===

impl SharedPart for Retention {
    type Value = Outcomes;

    fn has_news(&self) -> bool {
        self.has_news()
    }

    fn tell(&self, all: &mut Outcomes) {
        self.tell(all);
    }

    fn take(&mut self, all: Outcomes) {
        self.take(&all);
    }
}
