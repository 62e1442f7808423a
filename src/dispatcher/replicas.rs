//! Exchange with other gateways: what this one reports of itself, and what it learns of them.

use super::{Action, Dispatcher};
use crate::scheduling::pod_load::PodLoads;
use crate::scheduling::time::Instant;
use crate::shared::digest::UrgentRequest;
use crate::shared::peer_view::PeerView;
use crate::shared::store::Store;

impl<S: Store> Dispatcher<S> {
    /// Returns what all VMs of this gateway run, and the most urgent request that waits there.
    pub fn to_tell(&mut self, now: Instant) -> (PodLoads, Option<UrgentRequest>) {
        let reading = self.coordinator.read();
        let pool_state = reading.pool_state();
        let waiting = pool_state.most_urgent_claim(now).map(|claim| UrgentRequest::of(claim, now));
        (pool_state.running(now), waiting)
    }

    /// This VM looked at the other gateways, for all VMs of this one.
    pub fn learn_of_others(&mut self, peer_view: &PeerView, now: Instant) -> Vec<Action> {
        self.coordinator.change_peer_view(|before| {
            let earlier = before.map(|before| before.told.clone()).unwrap_or_default();
            PeerView { earlier, ..peer_view.clone() }
        });
        self.look_again(now)
    }

    /// This VM could not look at them: where nothing was known so far, `reckoned` gateways share
    /// the pods, of which this one is the one of this rank. What is known stays until it runs out.
    pub fn reckon_with(&mut self, reckoned: u32, rank: u32) {
        self.coordinator.change_peer_view(|known| match known {
            Some(known) => PeerView { reckoned, rank, ..known.clone() },
            None => PeerView::apart(reckoned, rank),
        });
    }
}
