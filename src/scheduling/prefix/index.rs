//! The index: which pod holds how much of a prompt, and with what probability.

use std::rc::Rc;

use fnv::FnvHashMap;

use super::heads::PromptHeads;
use super::placements::{PrefixPlacement, RecentPlacements};
use super::pods::{PodCache, PodCaches, PodNumber};
use super::retention::Retention;
use super::table::{HOLDERS_MAX, HeadLength, HeadTable};
use crate::scheduling::pool::{DeploymentId, PodId};

/// Pods that a look-up tells of, those with the most of the prompt: as many as the table knows of
/// one head.
const HITS_MAX: usize = HOLDERS_MAX;

/// The least that is expected of a cache, as a share of a prompt: one part in so many. Less is lost
/// in what prompts vary by.
const LEAST_SHARE: u32 = 64;

/// The most tokens that a prompt puts its pod's clock on by: more than any server computes. What a
/// client makes up must not age all that a pod holds.
const PROMPT_TOKENS_MAX: u32 = 1 << 20;

/// The share of an expected prefix that must have been there for it to count as kept, and the one
/// below which nothing was.
const KEPT: f64 = 0.9;
const LOST: f64 = 0.1;

/// See the module. Its memory is fixed, but for some bytes of each pod.
#[derive(Clone, Debug)]
pub struct PrefixIndex {
    table: HeadTable,
    pods: PodCaches,
    retention: FnvHashMap<DeploymentId, Retention>,
    recent: RecentPlacements,
}

/// A pod's part of a prompt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrefixHit {
    /// The pod.
    pub pod: PodId,
    /// The length of the prefix that it computed, in tokens.
    pub tokens: u32,
    /// Probability that it still holds it.
    pub probability: f32,
    /// Tokens that it computed since.
    pub distance: u64,
    number: PodNumber,
    touched: u32,
}

/// The pods that are expected to hold a part of a prompt: at most 12.
#[derive(Clone, Debug, Default)]
pub struct PrefixHits {
    hits: Vec<PrefixHit>,
}

/// A prompt that runs on a pod, and what was expected of the pod's cache.
#[derive(Clone, Debug)]
pub struct PlacedPrompt {
    heads: Rc<PromptHeads>,
    pod: PodId,
    deployment: DeploymentId,
    hit: Option<PrefixHit>,
    /// Tokens that were expected in the cache of the pod with the most of them.
    available_tokens: f64,
    /// Tokens that the pod's clock was put on by.
    computed: u32,
}

/// Expectation of caches when a prompt was placed, in tokens of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectedCache {
    /// Those in the cache of the pod with the most of them.
    pub available_tokens: u32,
    /// Those in the cache of the pod that it went to.
    pub expected_tokens: u32,
}

/// Lengths that a server measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServedTokens {
    /// Tokens of the prompt, cached ones included.
    pub prompt_tokens: u32,
    /// Tokens of the answer.
    pub output_tokens: u32,
    /// Tokens of the prompt that were cached; `None` where nothing tells.
    pub cached_tokens: Option<u32>,
}

// === impl PrefixIndex ===

impl PrefixIndex {
    /// An index of about so many heads, of 24 bytes each: one for a thousand tokens that all pods
    /// cache together is enough.
    pub fn new(heads: usize) -> Self {
        Self {
            table: HeadTable::new(heads),
            pods: PodCaches::default(),
            retention: FnvHashMap::default(),
            recent: RecentPlacements::default(),
        }
    }

    /// The pods that are expected to hold a part of a prompt, and how much of it. Of each, the head
    /// of which the most tokens are to be expected.
    pub fn expected(&self, heads: &PromptHeads, prompt_tokens: u32) -> PrefixHits {
        if !self.retention.values().any(Retention::is_proven) {
            return PrefixHits::default();
        }
        let mut hits = PrefixHits::default();
        let least = prompt_tokens.checked_div(LEAST_SHARE).unwrap_or_default().max(1);
        for head in heads.iter().rev() {
            // The rest is shorter.
            if hits.hits.len() >= HITS_MAX && f64::from(heads.tokens_at(head, prompt_tokens)) <= hits.least_tokens() {
                break;
            }
            self.table.each_holder(head.fingerprint, |holder| {
                let tokens = holder.tokens.min(prompt_tokens);
                let known = hits.hits.iter_mut().find(|hit| hit.number == holder.pod);
                let best = known.as_ref().map_or(0.0, |hit| hit.expected_tokens());
                // It is no more even if it is held for sure.
                if tokens < least || f64::from(tokens) <= best {
                    return;
                }
                let hit = self.hit(holder.pod, holder.touched, tokens).filter(|hit| hit.probability > 0.0);
                let Some(hit) = hit else { return };
                if let Some(known) = known {
                    if hit.expected_tokens() > best {
                        *known = hit;
                    }
                } else if hits.hits.len() < HITS_MAX {
                    hits.hits.push(hit);
                }
            });
        }
        hits
    }

    /// A prompt of about so many tokens goes to a pod, which computes what it has not cached.
    pub fn placed(
        &mut self,
        heads: Rc<PromptHeads>,
        prompt_tokens: u32,
        pod: PodId,
        deployment: DeploymentId,
    ) -> PlacedPrompt {
        let hits = self.expected(&heads, prompt_tokens);
        let available_tokens = hits.available_tokens();
        // Without a chance, too: else nothing would show that caches keep longer by now.
        let hit = hits.on(pod).copied().or_else(|| self.longest_on(pod, &heads, prompt_tokens));
        let cached = hit.map_or(0.0, |hit| f64::from(hit.tokens) * f64::from(hit.probability));
        let computed = prompt_tokens.saturating_sub(cached as u32);
        if let Some(number) = self.enter(pod, deployment) {
            self.compute(number, computed);
            let mut new = Vec::with_capacity(heads.len());
            for head in heads.iter() {
                let tokens = heads.tokens_at(head, prompt_tokens);
                let length = HeadLength { tokens, is_measured: false };
                if self.table.touch(head.fingerprint, length, number, &self.pods) || heads.last() == Some(head) {
                    new.push((head.fingerprint, tokens));
                }
            }
            if !heads.is_empty() {
                self.recent.push(PrefixPlacement::new(pod, deployment, computed, &new));
            }
        }
        PlacedPrompt { heads, pod, deployment, hit, available_tokens, computed }
    }

    /// Its answer has ended, or was cut off after so much.
    pub fn answered(&mut self, placed: &PlacedPrompt, measured: &ServedTokens) {
        let Some(number) = self.pods.number(placed.pod) else { return };
        let computed =
            measured.cached_tokens.map_or(placed.computed, |cached| measured.prompt_tokens.saturating_sub(cached));
        let more = computed.saturating_sub(placed.computed).saturating_add(measured.output_tokens);
        self.compute(number, more);
        if let Some((hit, cached)) = placed.hit.as_ref().zip(measured.cached_tokens) {
            self.judge(placed, number, hit, f64::from(cached));
        }
        let retention = self.retention.entry(placed.deployment).or_default();
        if measured.cached_tokens.is_some_and(|cached| cached > 0) && !retention.is_proven() {
            retention.record(0, true);
        }
        let last = placed.heads.last();
        for head in placed.heads.iter() {
            let tokens = placed.heads.tokens_at(head, measured.prompt_tokens);
            // The next turn goes on behind the answer.
            let answer = if last == Some(head) { measured.output_tokens } else { 0 };
            let length = HeadLength { tokens: tokens.saturating_add(answer), is_measured: true };
            self.table.touch(head.fingerprint, length, number, &self.pods);
        }
    }

    /// The last placements, for the other workers.
    pub fn placements(&self) -> &RecentPlacements {
        &self.recent
    }

    /// Takes the placements of another worker, of which the first `seen` were taken before. Returns
    /// the number of those that it took.
    pub fn learn(&mut self, placements: &RecentPlacements, seen: u64) -> usize {
        placements.since(seen).map(|placement| self.take(placement, placement.deployment)).count()
    }

    /// Takes those of another gateway on the pods that `deployment_of` knows: not on any pod that
    /// is made up there.
    pub fn learn_of_peers(
        &mut self,
        placements: &RecentPlacements,
        seen: u64,
        deployment_of: impl Fn(PodId) -> Option<DeploymentId>,
    ) {
        for placement in placements.since(seen) {
            if let Some(deployment) = deployment_of(placement.pod) {
                self.take(placement, deployment);
            }
        }
    }

    /// The tokens that the cache of each of a deployment's pods holds, where they are known.
    pub fn set_capacity(&mut self, deployment: DeploymentId, tokens: f64) {
        self.retention.entry(deployment).or_default().set_capacity(tokens);
    }

    /// Retention on the pods of each deployment, to exchange it with the other workers.
    pub fn retention_mut(&mut self) -> impl Iterator<Item = (DeploymentId, &mut Retention)> {
        self.retention.iter_mut().map(|(deployment, retention)| (*deployment, retention))
    }

    /// Keeps the knowledge of these pods and deployments only.
    pub fn retain(&mut self, is_pod: impl FnMut(PodId) -> bool, mut is_deployment: impl FnMut(DeploymentId) -> bool) {
        self.pods.retain(is_pod);
        self.retention.retain(|deployment, _| is_deployment(*deployment));
    }

    /// The longest part of a prompt that a pod computed.
    fn longest_on(&self, pod: PodId, heads: &PromptHeads, prompt_tokens: u32) -> Option<PrefixHit> {
        let number = self.pods.number(pod)?;
        heads.iter().rev().find_map(|head| {
            let mut hit = None;
            self.table.each_holder(head.fingerprint, |holder| {
                if holder.pod == number {
                    hit = self.hit(number, holder.touched, holder.tokens.min(prompt_tokens));
                }
            });
            hit
        })
    }

    fn hit(&self, number: PodNumber, touched: u32, tokens: u32) -> Option<PrefixHit> {
        let pod = self.pods.get(number).filter(|pod| pod.holds(touched))?;
        let distance = pod.distance(touched);
        Some(PrefixHit { pod: pod.key, tokens, probability: self.q(pod, distance), distance, number, touched })
    }

    fn q(&self, pod: &PodCache, distance: u64) -> f32 {
        self.retention.get(&pod.deployment).map_or(0.0, |retention| retention.q(distance))
    }

    fn enter(&mut self, pod: PodId, deployment: DeploymentId) -> Option<PodNumber> {
        self.retention.entry(deployment).or_default();
        self.pods.enter(pod, deployment)
    }

    fn take(&mut self, placement: &PrefixPlacement, deployment: DeploymentId) {
        let Some(number) = self.enter(placement.pod, deployment) else { return };
        self.compute(number, placement.computed);
        for (fingerprint, tokens) in placement.heads() {
            let length = HeadLength { tokens, is_measured: false };
            self.table.touch(fingerprint, length, number, &self.pods);
        }
    }

    fn compute(&mut self, number: PodNumber, tokens: u32) {
        if let Some(pod) = self.pods.get_mut(number) {
            pod.compute(u64::from(tokens.min(PROMPT_TOKENS_MAX)));
        }
    }

    /// Learns from what was cached of what was expected.
    fn judge(&mut self, placed: &PlacedPrompt, number: PodNumber, hit: &PrefixHit, cached: f64) {
        let share = cached / f64::from(hit.tokens.max(1));
        let retention = self.retention.entry(placed.deployment).or_default();
        let q = retention.q(hit.distance);
        let Some(pod) = self.pods.get_mut(number) else { return };
        let has_restarted = if share < LOST { pod.lost(hit.touched, q) } else { false };
        if share >= KEPT {
            pod.kept(hit.touched);
        }
        // A restart says nothing of how long caches keep.
        if !has_restarted && pod.holds(hit.touched) {
            retention.record(hit.distance, share >= KEPT);
        }
    }
}

// === impl PlacedPrompt ===

impl PlacedPrompt {
    /// The part of it that the pod was known to have computed.
    pub fn hit(&self) -> Option<&PrefixHit> {
        self.hit.as_ref()
    }

    /// Returns what was expected of caches, in tokens.
    pub fn expected_cache(&self) -> ExpectedCache {
        ExpectedCache {
            available_tokens: self.available_tokens as u32,
            expected_tokens: self.hit.map_or(0.0, |hit| hit.expected_tokens()) as u32,
        }
    }
}

// === impl PrefixHits ===

impl PrefixHits {
    /// Iterates over the pods, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &PrefixHit> {
        self.hits.iter()
    }

    /// The part of the prompt that a pod computed.
    pub fn on(&self, pod: PodId) -> Option<&PrefixHit> {
        self.iter().find(|hit| hit.pod == pod)
    }

    /// The most tokens that are expected to be cached anywhere.
    pub fn available_tokens(&self) -> f64 {
        self.iter().map(PrefixHit::expected_tokens).fold(0.0, f64::max)
    }

    /// The fewest that are expected on any of the pods.
    fn least_tokens(&self) -> f64 {
        self.iter().map(PrefixHit::expected_tokens).fold(f64::INFINITY, f64::min)
    }
}

// === impl PrefixHit ===

impl PrefixHit {
    /// Tokens that are cached in the mean.
    pub fn expected_tokens(&self) -> f64 {
        f64::from(self.tokens) * f64::from(self.probability)
    }
}
