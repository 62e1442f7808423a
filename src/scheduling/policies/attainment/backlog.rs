//! Backlog of requests that were held when a deployment's speed is no longer relied on.
//!
//! From then on requests go at once, by weighted least-request. Those that were held and have
//! missed their objectives already must not all go with them: on pods that sustain what comes, and
//! no more, all that comes after would miss its objectives, too, for as long as it takes to work
//! them off. So they go where others ended: while no more runs in the pool than did when all was
//! last relied on, and one more for each [`EVERY`] since, that none waits in vain.

use std::time::Duration;

use crate::scheduling::request::Request;
use crate::scheduling::time::Instant;

/// One more may run after each such time.
const EVERY: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backlog {
    /// Requests that ran in the pool when all deployments were last relied on, and when that was;
    /// `None` before it.
    relied: Option<(u32, Instant)>,
}

// === impl Backlog ===

impl Backlog {
    /// Selects those of `unjudged`, whose deployments are not relied on, that may go while so many
    /// requests run in the pool.
    pub(super) fn admit<'r>(&mut self, unjudged: Vec<&'r Request>, in_flight: u32, now: Instant) -> Vec<&'r Request> {
        if unjudged.is_empty() {
            self.relied = Some((in_flight, now));
            return unjudged;
        }
        let (lost, mut going): (Vec<&Request>, Vec<_>) =
            unjudged.into_iter().partition(|request| is_lost(request, now));
        going.extend(lost.into_iter().take(self.room(in_flight, now)));
        going
    }

    /// Returns the number of lost requests that may go while so many run.
    fn room(&self, in_flight: u32, now: Instant) -> usize {
        let Some((before, since)) = self.relied else { return usize::MAX };
        let more = now.since(since).as_millis().checked_div(EVERY.as_millis()).unwrap_or_default();
        let most = usize::try_from(more).unwrap_or(usize::MAX).saturating_add(before as usize);
        most.saturating_sub(in_flight as usize)
    }
}

/// Returns `true` if a request has missed its objectives, wherever it goes.
fn is_lost(request: &Request, now: Instant) -> bool {
    let waited = now.since(request.arrival.at);
    let limits = || request.prospects.iter().map(|prospect| prospect.slo.and_then(|slo| slo.ttft));
    request.is_late(now)
        || (!request.prospects.is_empty() && limits().all(|ttft| ttft.is_some_and(|ttft| waited > ttft)))
}
