//! Letting requests in: each that comes is forwarded, waits, or is refused.

use std::time::Duration;

use super::Dispatcher;
use super::actions::{Action, RefusalReason};
use crate::scheduling::pool::Pool;
use crate::scheduling::request::{Arrival, Request, RequestId};
use crate::scheduling::shape::Shape;
use crate::scheduling::time::Instant;
use crate::shared::Store;

impl<S: Store> Dispatcher<S> {
    /// A request came: it is forwarded, refused, or waits until a later call forwards or refuses
    /// it. No other is refused now, since a proxy lets no stream go on in whose callback it was
    /// made to answer one.
    pub fn submit(&mut self, arrival: Arrival, now: Instant) -> Vec<Action> {
        self.coordinator.join(&self.pool, &self.requests, now);
        let id = arrival.id;
        if let Some(reason) = refusal_at_the_door(&self.pool, &arrival) {
            return vec![self.refuse(id, reason, now)];
        }
        let mut request = self.assess(arrival);
        if request.infeasible && self.settings.reject_infeasible {
            if !self.is_worth_a_probe(&request, now) {
                return vec![self.refuse(id, RefusalReason::Infeasible, now)];
            }
            // It is late from the beginning, and not refused while it waits.
            request.infeasible = false;
            request.latest_start = now;
        }
        if let Some(decided) = self.take_room_fast(&request, now) {
            let action = self.forward(request, decided, now);
            self.tell_load(now);
            return action.into_iter().collect();
        }
        self.requests.push(request);
        let mut actions = self.run_round(Some(id), now);
        if self.requests.waiting(id).is_some() && self.are_too_many(now) {
            let refusal = self.refuse(id, RefusalReason::QueueFull, now);
            self.cancel(id, now);
            actions.push(refusal);
        }
        actions
    }

    /// Returns `true` if an infeasible request is let through: were its answer short, it could be
    /// in time.
    fn is_worth_a_probe(&mut self, request: &Request, now: Instant) -> bool {
        let shape = Shape { output_tokens: 1, ..request.arrival.shape };
        let shortest = Arrival { shape, ..request.arrival.clone() };
        !self.assess(shortest).infeasible && self.probes.next(now)
    }

    /// A refusal, with the time in which the pool works off what waits: each waiting request takes
    /// 1/λ seconds of a whole pod, and the other VMs' requests are taken to be like those here.
    pub(super) fn refuse(&self, id: RequestId, reason: RefusalReason, now: Instant) -> Action {
        let retry_after = reason.is_temporary().then(|| {
            let here = self.requests.waiting_count().max(1) as f64;
            let everywhere = f64::from(self.coordinator.waiting_elsewhere(now)) + here;
            let pods = self.pool.pods().len().max(1) as f64;
            let work_s = self.requests.waiting_work().as_secs_f64() * everywhere / here;
            let longest = self.settings.max_wait.max(Duration::from_secs(1));
            // What overflows is longer than the longest.
            Duration::try_from_secs_f64(work_s / pods).unwrap_or(longest).clamp(Duration::from_secs(1), longest)
        });
        Action::Refuse(id, reason, retry_after)
    }

    pub(super) fn waiting_here(&self) -> u32 {
        u32::try_from(self.requests.waiting_count()).unwrap_or(u32::MAX)
    }

    /// Returns `true` if more requests wait than may, over all VMs.
    fn are_too_many(&mut self, now: Instant) -> bool {
        self.coordinator.read();
        self.coordinator.waiting_elsewhere(now).saturating_add(self.waiting_here()) > self.settings.max_waiting
    }
}

/// Returns the reason for which a request is refused at once.
fn refusal_at_the_door(pool: &Pool, arrival: &Arrival) -> Option<RefusalReason> {
    if !pool.audience_within(&arrival.model, arrival.subset.as_ref()).pods().is_empty() {
        None
    } else if pool.pods().is_empty() || pool.serves(&arrival.model) {
        Some(RefusalReason::NoReadyPod)
    } else {
        Some(RefusalReason::UnknownModel)
    }
}
