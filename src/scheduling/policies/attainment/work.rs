//! Bounds on the work of a round: less than a millisecond, whatever waits and runs.

use super::outlook::PodOutlook;
use crate::scheduling::policies::policy::LOOKS_OF_HITS;
use crate::scheduling::view::View;

/// Pods of each deployment that a round reckons: those with the fewest requests.
const RECKONED: usize = 16;

/// Pods of each deployment that a round considers for a request: of those, the least burdened.
pub(super) const SHORTLIST: usize = 4;

/// Runs on the pods that a round reckons, beyond the first of each deployment.
const MOST_RECKONED_RUNS: usize = 256;

/// Looks at single streams in one round, to see how they go on and what a newcomer takes from them:
/// less than a millisecond.
pub(super) const MOST_WORK: usize = 700;

/// A request that is offered costs about as much as so many of them, whether it is judged or not.
const OFFER_WORK: usize = 3;

/// Looks of requests at pods that one counts as: half of a round's work is all that a callback may
/// do.
pub(super) const LOOKS_OF_WORK: usize = 16;

/// A look-up of the pods that have a part of a prompt costs about as much as so many of them.
pub(super) const HITS_WORK: usize = 3;
const _: () = assert!(HITS_WORK * LOOKS_OF_WORK == LOOKS_OF_HITS, "both say the same");

/// Seeing a request on a pod that may have its prompt in its cache, found and not found.
pub(super) const CASES_WORK: usize = 3;

/// Seeing a request on the pods that are considered for it costs about as much as so many of them
/// beyond those that it puts at risk.
const CONSIDERED_WORK: usize = 8;

/// A placement costs about as much as so many of them until the request is on its way.
pub(super) const PLACED_WORK: usize = 40;

/// Pods that a round reckons beyond the least busy, since they computed a part of a prompt.
pub(super) const MOST_HOLDERS: usize = 8;

/// Requests that a round judges at least.
const LEAST_JUDGED: usize = 3;

/// The work of seeing these pods and being offered so many requests, in looks at single streams.
pub(super) fn work_before(outlooks: &[Option<PodOutlook>], offered: usize) -> usize {
    let seen: usize = outlooks.iter().flatten().map(PodOutlook::work).sum();
    seen.saturating_add(OFFER_WORK.saturating_mul(offered))
}

/// Requests that a round may judge on pods that go on like this, after so much work.
pub(super) fn most_judged(outlooks: &[Option<PodOutlook>], work: usize) -> usize {
    let looks: usize = outlooks.iter().flatten().map(|outlook| outlook.at_risk().saturating_add(1)).sum();
    let looks = looks.saturating_add(HITS_WORK).saturating_add(CONSIDERED_WORK);
    MOST_WORK.saturating_sub(work).checked_div(looks).unwrap_or(usize::MAX).max(LEAST_JUDGED)
}

/// The positions of the pods of each deployment that run the fewest requests, as many as a round
/// may reckon.
pub(super) fn least_busy(view: &View<'_>) -> Vec<usize> {
    let pods = view.pool().pods();
    let mut positions: Vec<usize> = (0..pods.len()).collect();
    positions.sort_by_key(|position| view.state(*position).in_flight);
    let mut counts = vec![0_usize; view.pool().deployments().len()];
    let mut runs = 0_usize;
    positions.retain(|position| {
        let count = pods.get(*position).and_then(|pod| counts.get_mut(pod.deployment));
        count.is_some_and(|count| {
            *count += 1;
            runs = runs.saturating_add(view.runs(*position).len());
            *count == 1 || (*count <= RECKONED && runs <= MOST_RECKONED_RUNS)
        })
    });
    positions
}
