//! Reading of what all VMs have published, for one attempt of a round.

use std::rc::Rc;

use fnv::FnvHashSet;

use crate::scheduling::allowance::Allowance;
use crate::scheduling::latency_model::{LatencyModel, LatencyModels};
use crate::scheduling::pod_load::{PodLoad, PodLoads};
use crate::scheduling::pool::{Deployment, DeploymentId, PodId, Pool};
use crate::scheduling::requests::Requests;
use crate::scheduling::time::Instant;
use crate::scheduling::view::{Health, PodState, View};
use crate::shared::membership::{FencingToken, Membership};
use crate::shared::peer_view::{PeerView, Wanted};
use crate::shared::pool_state::PoolState;
use crate::shared::state_cache;

/// See the module.
pub(in crate::dispatcher) struct Reading {
    pub(super) pool_state: Rc<PoolState>,
    /// Number of the reading: room is taken only while it is the last.
    pub(super) number: state_cache::ReadingNumber,
    /// `true` where a newer configuration is in force: only its pods take new work.
    pub(super) is_outdated: bool,
    /// View of other gateways, where there are any.
    pub(super) peer_view: Option<Rc<PeerView>>,
}

/// Load of the other VMs on each pod: summed up once for each reading.
#[derive(Debug, Default)]
pub(super) struct LoadTally {
    number: Option<state_cache::ReadingNumber>,
    pool: Rc<Pool>,
    others: Vec<FencingToken>,
    entries: Vec<PodLoad>,
}

// === impl Reading ===

impl Reading {
    /// Returns the VMs of this gateway, with what waits there.
    pub(in crate::dispatcher) fn membership(&self) -> &Membership {
        &self.pool_state.membership
    }

    /// Returns the pool's state.
    pub(in crate::dispatcher) fn pool_state(&self) -> &PoolState {
        &self.pool_state
    }

    /// Returns its number: room is taken only while it is the last reading.
    pub(in crate::dispatcher) fn number(&self) -> state_cache::ReadingNumber {
        self.number
    }

    /// Returns `true` if no pod fails, nobody waits, here or in other gateways, and the VM with
    /// this fencing token has told so: then a request that comes need not queue.
    pub(in crate::dispatcher) fn is_calm(&self, own: FencingToken, now: Instant) -> bool {
        let membership = self.membership();
        // What this VM said of its queue, and that it was woken, is for a round to take back.
        membership.member(own).is_some_and(|own| own.woken.is_none() && own.waiting == 0)
            && membership.others(Some(own), now).all(|member| member.claim.is_none())
            && self.wanted(now).is_empty()
            && self.pool_state.failing.is_empty()
    }

    /// Returns the view on other gateways, where there are any.
    pub(in crate::dispatcher) fn peer_view(&self) -> Option<&PeerView> {
        self.peer_view.as_deref()
    }

    /// Returns the most urgent requests that wait in other gateways, most urgent first.
    pub(in crate::dispatcher) fn wanted(&self, now: Instant) -> &[Wanted] {
        self.peer_view().map(|peer_view| peer_view.claims(now)).unwrap_or_default()
    }

    /// Returns the pool with the states of its pods: what the other VMs published, what runs here,
    /// and what other gateways reported. `tally` keeps what is the same from view to view; `speeds`
    /// know what pods sustain.
    pub(super) fn view<'a>(
        &self,
        pool: &'a Rc<Pool>,
        fence: Option<FencingToken>,
        requests: &Requests,
        (tally, latency_models): (&mut LoadTally, &LatencyModels),
        now: Instant,
    ) -> View<'a> {
        let pool_state = &*self.pool_state;
        let mut entries = tally.elsewhere(self, pool, fence, now).to_vec();
        for (deployment, column) in requests.loads() {
            add(&mut entries, pool, deployment, column);
        }
        let peer_view = self.peer_view();
        // The position of the next pod in its deployment, and how many there are.
        let mut places: Vec<(usize, usize)> = Vec::new();
        if peer_view.is_some() {
            places.resize(pool.deployments().len(), (0, 0));
            for pod in pool.pods() {
                if let Some((_, pods)) = places.get_mut(pod.deployment) {
                    *pods = pods.saturating_add(1);
                }
            }
        }
        let sustains =
            |deployment: &Deployment| latency_models.of(deployment.id).and_then(LatencyModel::sustained_requests);
        let sustained: Vec<Option<u32>> = pool.deployments().iter().map(sustains).collect();
        let states = pool.pods().iter().zip(entries).map(|(pod, mut entry)| {
            let (mut allowance, mut alike) = (Allowance::default(), 1);
            if let (Some(peer_view), Some(place)) = (peer_view, places.get_mut(pod.deployment)) {
                allowance = peer_view.allowance(pod.id, *place, entry.load(), now);
                entry.add(peer_view.elsewhere(pod.id, now));
                alike = peer_view.alike(now);
                place.0 = place.0.saturating_add(1);
            }
            let in_flight = entry.count.saturating_mul(alike);
            let sustained = sustained.get(pod.deployment).copied().flatten();
            PodState { load: entry.load(), in_flight, sustained, allowance, ..PodState::default() }
        });
        let mut states: Vec<PodState> = states.collect();
        let others = pool_state.membership.others(fence, now).filter_map(|member| member.claim.as_ref()?.reserved);
        for pod in others.chain(self.wanted(now).iter().filter_map(|wanted| wanted.claim.reserved)) {
            if let Some(state) = pool.position(pod).and_then(|position| states.get_mut(position)) {
                state.reserved = true;
            }
        }
        for pod in pool_state.failing.pods() {
            if let Some(state) = pool.position(pod).and_then(|position| states.get_mut(position)) {
                state.health = pool_state.failing.health(pod, now);
            }
        }
        if self.is_outdated {
            let newest: FnvHashSet<PodId> = pool_state.newest_pods.iter().copied().collect();
            for (pod, state) in pool.pods().iter().zip(&mut states) {
                if !newest.contains(&pod.id) {
                    state.health = Health::Out;
                }
            }
        }
        let mut view = View::new(pool, states);
        view.tell_missing(pool_state.failing.missing.now(now));
        view
    }
}

// === impl LoadTally ===

impl LoadTally {
    /// Returns the load of the other VMs on each pod, in the order of the pool.
    fn elsewhere(&mut self, reading: &Reading, pool: &Rc<Pool>, own: Option<FencingToken>, now: Instant) -> &[PodLoad] {
        let others: Vec<FencingToken> =
            reading.pool_state.membership.others(own, now).map(|member| member.fence).collect();
        if self.number != Some(reading.number) || !Rc::ptr_eq(&self.pool, pool) || self.others != others {
            self.entries.clear();
            self.entries.resize(pool.pods().len(), PodLoad::default());
            for (deployment, column) in reading.pool_state.columns_of(|fence| others.contains(&fence)) {
                add(&mut self.entries, pool, deployment, column);
            }
            (self.number, self.pool, self.others) = (Some(reading.number), Rc::clone(pool), others);
        }
        &self.entries
    }
}

/// Adds what runs on the pods of a deployment, as far as they are that deployment's in this pool.
fn add(entries: &mut [PodLoad], pool: &Pool, deployment: DeploymentId, column: &PodLoads) {
    let Some(of) = pool.deployments().iter().position(|known| known.id == deployment) else { return };
    for (pod, entry) in column {
        let Some(position) = pool.position(*pod) else { continue };
        let is_its = pool.pods().get(position).is_some_and(|pod| pod.deployment == of);
        if let Some(sum) = entries.get_mut(position).filter(|_| is_its) {
            sum.add(*entry);
        }
    }
}
