//! Placements, as one worker reports them to the others: which pod computes which heads.
//!
//! A worker keeps its last 32 and numbers them, so that each reader takes those that it has not
//! seen, however seldom it looks. As bytes they are the format's version and their content in
//! [postcard]'s coding, at most 3.2 KB.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::scheduling::pool::{DeploymentId, PodId};

/// Changes whenever the format does.
pub const VERSION: u8 = 1;

/// The most placements that are reported at once, and the heads of each.
pub const PLACEMENTS_MAX: usize = 32;
pub(super) const HEADS_TOLD_MAX: usize = 8;

/// The longest report.
const BYTES_MAX: usize = 8 << 10;

/// More tokens than any prompt has.
const TOKENS_MAX: u32 = 1 << 24;

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

/// The last placements of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecentPlacements {
    /// Placements there have been, these included.
    sequence: u64,
    placements: VecDeque<PrefixPlacement>,
}

/// Reason why bytes are no placements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlacementsError {
    /// They are more than are ever written.
    TooLong(usize),
    /// They are cut short, or go on behind their end.
    Garbled,
    /// They are of this version, not of [`VERSION`].
    Version(u8),
    /// They say what cannot be.
    Absurd(&'static str),
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
        if self.placements.len() >= PLACEMENTS_MAX {
            self.placements.pop_front();
        }
        self.placements.push_back(placement);
        self.sequence = self.sequence.wrapping_add(1);
    }

    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Those behind this number. A smaller sequence than that is of a worker that began anew.
    pub(super) fn since(&self, seen: u64) -> impl Iterator<Item = &PrefixPlacement> {
        let unseen = self.sequence.checked_sub(seen).unwrap_or(self.sequence);
        let unseen = usize::try_from(unseen).unwrap_or(usize::MAX);
        self.placements.iter().skip(self.placements.len().saturating_sub(unseen))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        // Encoding into a growing vector fails only for types that need a length up front; these do
        // not.
        postcard::to_allocvec(&(VERSION, self)).unwrap_or_default()
    }

    /// Reads what another worker wrote, whatever it is.
    ///
    /// # Errors
    /// The reason why it cannot be taken.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, PlacementsError> {
        if bytes.len() > BYTES_MAX {
            return Err(PlacementsError::TooLong(bytes.len()));
        }
        match bytes.first() {
            Some(&VERSION) => {}
            Some(other) => return Err(PlacementsError::Version(*other)),
            None => return Err(PlacementsError::Garbled),
        }
        let (read, rest) = postcard::take_from_bytes::<(u8, Self)>(bytes).map_err(|_| PlacementsError::Garbled)?;
        if !rest.is_empty() {
            return Err(PlacementsError::Garbled);
        }
        read.1.check()?;
        Ok(read.1)
    }

    fn check(&self) -> Result<(), PlacementsError> {
        if self.placements.len() > PLACEMENTS_MAX {
            return Err(PlacementsError::Absurd("more placements than are reported at once"));
        }
        if self.placements.len() as u64 > self.sequence {
            return Err(PlacementsError::Absurd("more placements than there have been"));
        }
        for placement in &self.placements {
            if placement.heads.len() > HEADS_TOLD_MAX {
                return Err(PlacementsError::Absurd("more heads than are reported of a prompt"));
            }
            let tokens = placement.heads.iter().map(|(_, tokens)| *tokens).chain([placement.computed]);
            if tokens.max() > Some(TOKENS_MAX) {
                return Err(PlacementsError::Absurd("a prompt longer than any"));
            }
        }
        Ok(())
    }
}

// === impl PlacementsError ===

impl fmt::Display for PlacementsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(bytes) => write!(f, "{bytes} bytes are more than placements have"),
            Self::Garbled => f.write_str("the placements cannot be decoded"),
            Self::Version(version) => write!(f, "the placements are of version {version}, expected {VERSION}"),
            Self::Absurd(reason) => write!(f, "the placements say what cannot be: {reason}"),
        }
    }
}

impl Error for PlacementsError {}
