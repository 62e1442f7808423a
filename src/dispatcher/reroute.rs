//! Requests that another pod serves than the one that they were sent to.

use std::net::SocketAddr;

use super::{Dispatcher, End};
use crate::scheduling::pool::PodId;
use crate::scheduling::request::RequestId;
use crate::scheduling::requests::RunningRequest;
use crate::scheduling::time::Instant;
use crate::shared::health::Change;
use crate::shared::store::Store;

impl<S: Store> Dispatcher<S> {
    /// Envoy had this pod serve a request, be it the one that it was sent to or another: after a
    /// retry, or since Envoy did not know that one. What the request takes is charged to the pod
    /// that serves it, and the other one is known not to have. Returns what became of that one.
    pub fn served_by(&mut self, id: RequestId, address: SocketAddr, now: Instant) -> Option<Change> {
        let pod = PodId::of(address);
        if self.requests.running(id).is_none_or(|run| run.pod == pod) {
            return None;
        }
        let mut run = self.requests.end(id)?;
        let change = self.release(&run, &End::PodFailed, now);
        // Its pace would be that of two pods.
        if let Some(observation) = run.observation.take() {
            self.knowledge.ended(None, observation, None, now);
        }
        // A pod that is none of the pool's takes no room of it, but stands where the request was
        // placed.
        let known = self.pool.position(pod).and_then(|position| self.pool.pods().get(position));
        let position = known.map(|known| known.deployment);
        let deployment = position.and_then(|position| self.pool.deployments().get(position));
        let deployment = deployment.map_or(run.deployment, |deployment| deployment.id);
        let request = self.assess(run.arrival.clone());
        let load = position.and_then(|position| request.on(position)).map_or(run.load, |prospect| prospect.load);
        let prompt = self.knowledge.place(&run.arrival, pod, deployment).filter(|_| run.prompt.is_some());
        self.requests.start(RunningRequest { pod, deployment, load, prompt, probe: false, ..run });
        self.coordinator.publish_loads(&self.requests);
        self.wake_after_release(now);
        change
    }
}
