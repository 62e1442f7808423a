//! Placements, as one worker or gateway reports them to the others: which pod computes which heads.
//!
//! Each keeps its last 32 and numbers them, so that each reader takes those that it has not seen,
//! however seldom it looks.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::scheduling::pool::{DeploymentId, PodId};

/// The most placements that are reported at once, and the heads of each.
pub const PLACEMENTS_MAX: usize = 32;
const HEADS_TOLD_MAX: usize = 8;

/// A prompt that was placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PrefixPlacement {
    pub(super) pod: PodId,
    pub(super) deployment: DeploymentId,
    /// Tokens that the pod has to compute for it.
    pub(super) computed: u32,
    /// The upper 48 bits of some of its heads, each with its tokens.
    heads: Vec<(u64, u32)>,
}

/// The last placements of a worker, at most 32, or of several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentPlacements {
    /// Placements there have been, these included.
    sequence: u64,
    placements: VecDeque<PrefixPlacement>,
}

// === impl PrefixPlacement ===

impl PrefixPlacement {
    /// `heads` ascend: with too many of them, the longest and those between it and the first at
    /// even steps.
    pub(super) fn new(pod: PodId, deployment: DeploymentId, computed: u32, heads: &[(u64, u32)]) -> Self {
        let last = heads.len().saturating_sub(1);
        let step_of = |step: usize| step.saturating_mul(last).checked_div(HEADS_TOLD_MAX.saturating_sub(1));
        let chosen = (0..HEADS_TOLD_MAX).filter_map(|step| heads.get(step_of(step)?));
        let chosen = chosen.map(|&(fingerprint, tokens)| (fingerprint >> 16, tokens));
        let heads = if heads.len() <= HEADS_TOLD_MAX {
            heads.iter().map(|&(fingerprint, tokens)| (fingerprint >> 16, tokens)).collect()
        } else {
            chosen.collect()
        };
        Self { pod, deployment, computed, heads }
    }

    /// Fingerprints and tokens.
    pub(super) fn heads(&self) -> impl Iterator<Item = (u64, u32)> {
        self.heads.iter().map(|&(upper, tokens)| (upper << 16, tokens))
    }
}

// === impl RecentPlacements ===

impl RecentPlacements {
    pub(super) fn push(&mut self, placement: PrefixPlacement) {
        self.push_within(PLACEMENTS_MAX, placement);
    }

    /// Adds those of another that are behind the number `seen`, and keeps the last `most` of all.
    pub fn append(&mut self, other: &Self, seen: u64, most: usize) {
        for placement in other.since(seen) {
            self.push_within(most, placement.clone());
        }
    }

    /// Drops those up to this number.
    pub fn drop_until(&mut self, number: u64) {
        let kept = usize::try_from(self.sequence.saturating_sub(number)).unwrap_or(usize::MAX);
        self.placements.drain(..self.placements.len().saturating_sub(kept));
    }

    /// Returns the last of them, at most so many.
    #[must_use]
    pub fn last(&self, most: usize) -> Self {
        let skipped = self.placements.len().saturating_sub(most);
        Self { sequence: self.sequence, placements: self.placements.iter().skip(skipped).cloned().collect() }
    }

    /// Number of the placements that there have been.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Number of the placements that are known.
    pub fn len(&self) -> usize {
        self.placements.len()
    }

    /// Returns `true` if none is known.
    pub fn is_empty(&self) -> bool {
        self.placements.is_empty()
    }

    /// Returns `true` if there are no more of them, and of heads, than are reported at once.
    pub fn is_within_bounds(&self) -> bool {
        self.len() <= PLACEMENTS_MAX && self.placements.iter().all(|placement| placement.heads.len() <= HEADS_TOLD_MAX)
    }

    /// Those behind this number. A smaller sequence than that is of a worker that began anew.
    pub(super) fn since(&self, seen: u64) -> impl Iterator<Item = &PrefixPlacement> {
        let unseen = self.sequence.checked_sub(seen).unwrap_or(self.sequence);
        let unseen = usize::try_from(unseen).unwrap_or(usize::MAX);
        self.placements.iter().skip(self.placements.len().saturating_sub(unseen))
    }

    fn push_within(&mut self, most: usize, placement: PrefixPlacement) {
        if self.placements.len() >= most {
            self.placements.pop_front();
        }
        self.placements.push_back(placement);
        self.sequence = self.sequence.wrapping_add(1);
    }
}
