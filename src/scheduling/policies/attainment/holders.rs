//! Outlooks of the pods that computed a part of a waiting request's prompt.

use super::Attainment;
use super::outlook::PodOutlook;
use super::work::MOST_HOLDERS;
use crate::scheduling::policies::policy::Round;
use crate::scheduling::prefix::PrefixHits;
use crate::scheduling::view::View;

impl Attainment {
    /// Completes the outlooks by those of pods that computed a part of a prompt, as many as a round
    /// may see beyond the least busy. Returns the work.
    pub(super) fn see_holders<'h>(
        &self,
        hits: impl Iterator<Item = &'h PrefixHits>,
        outlooks: &mut [Option<PodOutlook>],
        view: &View<'_>,
        round: &mut Round<'_>,
    ) -> usize {
        let mut positions: Vec<usize> =
            hits.flat_map(PrefixHits::iter).filter_map(|hit| view.pool().position(hit.pod)).collect();
        positions.sort_unstable();
        positions.dedup();
        positions.retain(|position| outlooks.get(*position).is_some_and(Option::is_none));
        let mut work = 0_usize;
        for position in positions.into_iter().take(MOST_HOLDERS) {
            let outlook = self.outlook(view, position, round.latency_models, round.now);
            work = work.saturating_add(outlook.as_ref().map_or(0, PodOutlook::work));
            if let Some(unseen) = outlooks.get_mut(position) {
                *unseen = outlook;
            }
        }
        work
    }
}
