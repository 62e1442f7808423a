//! The short way for a request that comes while nobody waits and no pod fails: decided on what is
//! known of the pool's state, which is right unless the write that takes the room says otherwise.
//! Everything else goes through the queue and a [round](super::round).

use std::rc::Rc;

use super::Dispatcher;
use super::round::Decided;
use crate::scheduling::queue::LatePolicy;
use crate::scheduling::request::Request;
use crate::scheduling::time::Instant;
use crate::shared::store::Store;

impl<S: Store> Dispatcher<S> {
    /// Takes room for a request that just came, and says on which pod. `None`: it has to queue.
    pub(super) fn take_room_fast(&mut self, request: &Request, now: Instant) -> Option<Decided> {
        self.coordinator.beat(&self.pool, &self.requests, now);
        let fence = self.coordinator.fence()?;
        let is_refused = self.settings.late == LatePolicy::Reject && request.is_late(now);
        if is_refused || self.requests.any_waits() {
            return None;
        }
        let reading = self.coordinator.recall();
        if !reading.is_calm(fence, now) {
            return None;
        }
        let pool = Rc::clone(&self.pool);
        let mut view = self.coordinator.view(&reading, &pool, &self.requests, self.knowledge.latency_models(), now);
        if request.policy.looks_at_runs {
            self.coordinator.show_runs(&mut view, &reading, &mut self.requests, &mut self.knowledge, now);
        }
        // What is drawn here counts only if it leads to a placement: whether it does hangs on other
        // VMs' writes.
        let mut rng = self.rng.clone();
        let mut round = self.knowledge.round(now, &mut rng);
        let decisions = self.policies.get(request.policy).decide(&mut view, &[request], &mut round);
        let pod = pool.pods().get(decisions.first()?.pod)?;
        let prospect = request.on(pod.deployment)?;
        let alternatives = view.alternatives(request, pod, self.settings.alternatives);
        let mut loads = self.requests.load_on(prospect.deployment_id);
        loads.entry(pod.id).or_default().charge(prospect.load);
        let number = reading.number();
        // While it is held, the pool's state would be copied to be changed.
        drop(reading);
        self.coordinator.take_room(number, vec![(prospect.deployment_id, loads)], &[], now).ok()?;
        self.rng = rng;
        Some(Decided { request: request.arrival.id, pod: pod.clone(), probe: false, alternatives })
    }
}
