//! Pods other than the one a request was sent to: which could take it, and what follows when one
//! did.

use std::cmp::Reverse;
use std::net::SocketAddr;

use super::{Dispatcher, End, RunningRequest};
use crate::scheduling::pool::{Pod, PodId};
use crate::scheduling::request::{Request, RequestId};
use crate::scheduling::time::Instant;
use crate::scheduling::view::{Health, View};
use crate::shared::health::Change;
use crate::shared::store::Store;

impl<S: Store> Dispatcher<S> {
    /// Envoy had this pod serve a request, be it the one that it was sent to or another: after a
    /// retry, or since Envoy did not know that one. What the request takes is charged to the pod
    /// that serves it, and the other one is known not to have. Returns what became of that one.
    pub fn served_by(&mut self, id: RequestId, address: SocketAddr, now: Instant) -> Option<Change> {
        let pod = PodId::of(address);
        if self.running.get(id).is_none_or(|run| run.pod == pod) {
            return None;
        }
        let run = self.running.remove(id)?;
        self.load_exchange.ended(id, &run);
        let change = self.release(&run, &End::PodFailed, now);
        // Its pace would be that of two pods.
        self.load_exchange.latency_models.ended(id, None, now);
        // A pod that is none of the pool's takes no room of it, but stands where the request was
        // placed.
        let known = self.pool.position(pod).and_then(|position| self.pool.pods().get(position));
        let position = known.map(|known| known.deployment);
        let deployment = position.and_then(|position| self.pool.deployments().get(position));
        let deployment = deployment.map_or(run.deployment, |deployment| deployment.id);
        let request = self.assess(run.arrival.clone());
        let load = position.and_then(|position| request.on(position)).map_or(run.load, |prospect| prospect.load);
        let run = RunningRequest { pod, deployment, load, probe: false, ..run };
        self.load_exchange.runs(id, &run);
        self.running.insert(id, run);
        self.coordinator.publish_columns(&mut self.running);
        self.wake_after_release(now);
        change
    }

    /// The pods to try after `chosen`: those with room first, then those of its own deployment,
    /// then the emptiest.
    pub(super) fn alternatives(&self, request: &Request, chosen: &Pod, view: &View<'_>) -> Vec<SocketAddr> {
        if self.settings.alternatives == 0 {
            return Vec::new();
        }
        let mut others: Vec<_> = view
            .serving(request)
            .filter(|other| other.pod.id != chosen.id && other.state.health == Health::Up)
            .map(|other| {
                let has_room = !other.prospect.bounded || other.state.has_room_for(other.prospect.load);
                let is_kin = other.pod.deployment == chosen.deployment;
                (Reverse((has_room, is_kin)), other.state.load, other.state.in_flight, other.pod.address)
            })
            .collect();
        others.sort_unstable();
        others.into_iter().take(self.settings.alternatives).map(|(.., address)| address).collect()
    }
}
