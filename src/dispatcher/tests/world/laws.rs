//! Laws that no run may ever break.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use super::{Fate, TICK, Vm, World};
use crate::scheduling::load::Load;
use crate::scheduling::request::{Prospect, Request};
use crate::scheduling::view::{Health, PodState};
use crate::shared::Keys;
use crate::shared::pool_state::PoolState;
use crate::shared::store::read;

impl World {
    /// After all has ended: no VM holds a request, and no ledger charges one.
    pub(in crate::dispatcher::tests) fn assert_empty(&self) {
        for Vm { dispatcher, .. } in &self.vms {
            assert_eq!((dispatcher.waiting(), dispatcher.in_flight()), (0, 0));
        }
        assert_eq!(self.pool_state().running(self.now), BTreeMap::default());
    }

    fn pool_state(&self) -> PoolState {
        read(&self.memory, &Keys::of(&self.settings.pool).pool_state()).0
    }

    pub(super) fn assert_none_lost(&self, vm: usize) {
        let waiting = self.ids(|fate| matches!(fate, Fate::Waiting { vm: of, .. } if *of == vm)).len();
        let running = self.ids(|fate| matches!(fate, Fate::Running { vm: of, .. } if *of == vm)).len();
        let dispatcher = &self.vms[vm].dispatcher;
        assert_eq!((dispatcher.waiting(), dispatcher.in_flight()), (waiting, running), "in VM {vm}");
    }

    pub(super) fn assert_within_capacity(&self) {
        let mut loads: HashMap<SocketAddr, Load> = HashMap::new();
        for fate in self.requests.values() {
            if let Fate::Running { address, load, .. } = fate {
                *loads.entry(*address).or_default() += *load;
            }
        }
        for (pod, load) in loads {
            assert!(load <= Load::CAPACITY, "{pod} has {load:?}");
        }
    }

    pub(super) fn assert_nothing_waits_too_long(&self) {
        let longest = self.settings.max_wait.saturating_add(TICK);
        for fate in self.requests.values() {
            if let Fate::Waiting { vm, arrival } = fate
                && self.vms[*vm].stalled_until <= self.now
            {
                assert!(self.now.since(arrival.at) <= longest, "{:?} still waits", arrival.id);
            }
        }
    }

    /// A request that waits, and a pod that deserves it, is up, is not reserved and has room; for a
    /// late one, room for those.
    pub(super) fn fitting(&self) -> Option<(u32, SocketAddr)> {
        let pool_state = self.pool_state();
        let claims = pool_state.membership.others(None, self.now).filter_map(|member| member.claim.as_ref());
        let reserved: Vec<_> = claims.filter_map(|claim| claim.reserved).collect();
        let sum = pool_state.running(self.now);
        let pods = self.pool.pods().iter();
        let charged: HashMap<SocketAddr, Load> =
            pods.filter_map(|pod| Some((pod.address, sum.get(&pod.id)?.load()))).collect();
        self.requests.iter().find_map(|(id, fate)| {
            let Fate::Waiting { vm, arrival } = fate else { return None };
            let Vm { dispatcher, .. } = self.vms.get(*vm).filter(|vm| vm.stalled_until <= self.now)?;
            let pool = dispatcher.pool();
            let request = Request::assess((**arrival).clone(), pool, &self.settings.assessment);
            let fits = pool.pods().iter().find(|pod| {
                let load = charged.get(&pod.address).copied().unwrap_or_default();
                let state = PodState { load, ..PodState::default() };
                request.worth_trying(self.now).any(|Prospect { deployment, load, .. }| {
                    let has_room = if request.is_late(self.now) {
                        state.has_room_for_late(*load)
                    } else {
                        state.has_room_for(*load)
                    };
                    *deployment == pod.deployment && has_room
                }) && pool_state.failing.health(pod.id, self.now) == Health::Up
                    && !reserved.contains(&pod.id)
            })?;
            Some((*id, fits.address))
        })
    }
}
