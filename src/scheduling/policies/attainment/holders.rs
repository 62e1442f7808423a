//! Pods that have a part of a waiting request's prompt in their caches.

use super::outlook::{CachedPrompt, PodOutlook};
use super::work::MOST_HOLDERS;
use crate::scheduling::pool::Pool;
use crate::scheduling::prefix::{PrefixHit, PrefixHits};

/// Pods that a round considers for a request since they have a part of its prompt: those with the
/// most of it. Where more have as much, the least burdened are considered anyway.
const MOST_CONSIDERED: usize = 4;

/// Parts of a prompt that are expected in the caches of a pool's pods.
#[derive(Debug, Default)]
pub(super) struct CachedOn {
    /// By positions of the pods, those with the most of it first.
    hits: Vec<(usize, PrefixHit)>,
}

// === impl CachedOn ===

impl CachedOn {
    pub(super) fn new(hits: &PrefixHits, pool: &Pool) -> Self {
        let mut hits: Vec<(usize, PrefixHit)> =
            hits.iter().filter_map(|hit| Some((pool.position(hit.pod)?, *hit))).collect();
        hits.sort_by(|(_, one), (_, other)| other.expected_tokens().total_cmp(&one.expected_tokens()));
        Self { hits }
    }

    /// The positions of the pods that are considered for it.
    pub(super) fn considered(&self) -> impl Iterator<Item = usize> {
        self.most().map(|(position, _)| *position)
    }

    fn most(&self) -> impl Iterator<Item = &(usize, PrefixHit)> {
        self.hits.iter().take(MOST_CONSIDERED)
    }

    /// The part that the pod at a position has, and the most that any has.
    pub(super) fn on(&self, position: usize) -> CachedPrompt<'_> {
        CachedPrompt {
            hit: self.hits.iter().find(|(at, _)| *at == position).map(|(_, hit)| hit),
            available_tokens: self.hits.first().map_or(0.0, |(_, hit)| hit.expected_tokens()),
        }
    }
}

/// Completes the outlooks by those of the pods that are considered since they have a part of a
/// prompt, as many as a round may see beyond the least busy; `outlook` gives that of the pod at a
/// position. Returns the work.
pub(super) fn see_holders<'h>(
    cached: impl Iterator<Item = &'h CachedOn>,
    outlooks: &mut [Option<PodOutlook>],
    mut outlook: impl FnMut(usize) -> Option<PodOutlook>,
) -> usize {
    let mut holders: Vec<&(usize, PrefixHit)> = cached.flat_map(CachedOn::most).collect();
    holders.sort_by(|(_, one), (_, other)| other.expected_tokens().total_cmp(&one.expected_tokens()));
    let (mut seen, mut work) = (0_usize, 0_usize);
    for (position, _) in holders {
        let Some(unseen) = outlooks.get_mut(*position).filter(|outlook| outlook.is_none()) else { continue };
        if seen >= MOST_HOLDERS {
            break;
        }
        seen = seen.saturating_add(1);
        *unseen = outlook(*position);
        work = work.saturating_add(unseen.as_ref().map_or(0, PodOutlook::work));
    }
    work
}
