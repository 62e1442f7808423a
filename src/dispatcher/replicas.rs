//! Exchange with other gateways: what this one reports of itself, and what it learns of them.

use super::Dispatcher;
use crate::scheduling::pod_load::PodLoads;
use crate::scheduling::time::Instant;
use crate::shared::digest::{Digest, UrgentRequest};
use crate::shared::membership::FencingToken;
use crate::shared::peer_table::{PeerTable, PoolIdentity};
use crate::shared::peer_view::PeerView;
use crate::shared::runs::Runs;
use crate::shared::store::{Store, read};

impl<S: Store> Dispatcher<S> {
    /// Returns what all VMs of this gateway run, and the most urgent request that waits there.
    pub fn to_tell(&mut self, now: Instant) -> (PodLoads, Option<UrgentRequest>) {
        let reading = self.coordinator.read();
        let pool_state = reading.pool_state();
        let waiting = pool_state.most_urgent_claim(now).map(|claim| UrgentRequest::of(claim, now));
        (pool_state.running(now), waiting)
    }

    /// Adds to a digest what all VMs of this gateway placed, as far as they have told. `random` is
    /// another number each time.
    pub fn add_placements(
        &mut self,
        digest: &mut Digest,
        peer_table: &mut PeerTable,
        pool: PoolIdentity<'_>,
        random: u64,
        now: Instant,
    ) {
        let reading = self.coordinator.read();
        let members: Vec<FencingToken> = reading.membership().others(None, now).map(|member| member.fence).collect();
        let (own, store, keys) = (self.coordinator.fence(), self.coordinator.store(), self.coordinator.keys());
        let placements_of = |vm: FencingToken| {
            if own == Some(vm) {
                return Some(self.knowledge.placements());
            }
            let (Runs { owner, placements, .. }, _) = read(store, &keys.runs(vm.slot, 0));
            (owner == Some(vm)).then_some(placements)
        };
        peer_table.add_placements(digest, &members, placements_of, pool, random);
    }

    /// Takes what other gateways placed, as whichever VM looked at them has told.
    pub fn take_peer_placements(&mut self) {
        if let Some(peer_view) = self.coordinator.read().peer_view() {
            self.knowledge.take_peer_placements(&peer_view.placements, &self.pool);
        }
    }

    /// This VM looked at the other gateways, for all VMs of this one. What waits here is looked at
    /// in a callback of its own: both together would take one too long.
    pub fn learn_of_others(&mut self, peer_view: &PeerView) {
        self.coordinator.change_peer_view(|before| {
            let earlier = before.map(|before| before.told.clone()).unwrap_or_default();
            PeerView { earlier, ..peer_view.clone() }
        });
        if self.requests.any_waits() {
            self.coordinator.wake_self();
        }
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
