//! The short way for a request that comes while nobody waits and no pod fails: decided on what is
//! known of the pool's state, which is right unless the write that takes the room says otherwise.
//! Everything else goes through the queue and a [round](super::round).

use std::rc::Rc;

use super::Dispatcher;
use super::round::Decided;
use crate::scheduling::policies::Round;
use crate::scheduling::queue::LatePolicy;
use crate::scheduling::request::Request;
use crate::scheduling::time::Instant;
use crate::shared::store::Store;

impl<S: Store> Dispatcher<S> {
    /// Takes room for a request that just came, and says on which pod. `None`: it has to queue.
    pub(super) fn take_room_fast(&mut self, request: &Request, now: Instant) -> Option<Decided> {
        self.coordinator.beat(&self.pool, &mut self.running, now);
        let fence = self.coordinator.fence()?;
        let is_refused = self.settings.late == LatePolicy::Reject && request.is_late(now);
        if is_refused || !self.queue.is_empty() {
            return None;
        }
        let reading = self.coordinator.recall();
        let pool_state = &*reading.pool_state;
        // What this VM said of its queue, and that it was woken, is for a round to take back.
        let own_is_settled =
            pool_state.membership.member(fence).is_some_and(|member| member.woken.is_none() && member.waiting == 0);
        let others_wait = pool_state.membership.others(Some(fence), now).any(|member| member.claim.is_some())
            || !reading.wanted(now).is_empty();
        if !own_is_settled || others_wait || !pool_state.failing.is_empty() {
            return None;
        }
        let pool = Rc::clone(&self.pool);
        let mut view =
            reading.view(&pool, Some(fence), &self.running, (&mut self.tally, &self.load_exchange.latency_models), now);
        if request.policy.looks_at_runs {
            self.load_exchange.show(&mut view, &self.coordinator, &pool_state.membership, now);
        }
        // What is drawn here counts only if it leads to a placement: whether it does hangs on other
        // VMs' writes.
        let mut rng = self.rng.clone();
        let mut round = Round::new(now, &mut rng, &mut self.load_exchange.latency_models);
        let decisions = self.policies.get(request.policy).decide(&mut view, &[request], &mut round);
        let pod = pool.pods().get(decisions.first()?.pod)?;
        let prospect = request.on(pod.deployment)?;
        let alternatives = self.alternatives(request, pod, &view);
        let mut column = self.running.column(prospect.deployment_id);
        column.entry(pod.id).or_default().charge(prospect.load);
        let number = reading.number;
        // While it is held, the pool's state would be copied to be changed.
        drop(reading);
        self.coordinator.take_room(number, vec![(prospect.deployment_id, column)], &[], now).ok()?;
        self.rng = rng;
        Some(Decided { request: request.arrival.id, pod: pod.clone(), probe: false, alternatives })
    }
}
