//! This VM among others, in this gateway and in others: its membership, what it publishes, what it
//! reads of them, and how it gives way to them and wakes them.

mod claimant;
mod claims;
mod exchange;
mod joining;
mod load_exchange;
mod local_back_off;
mod peer_back_off;
mod reading;
mod telling;

use std::rc::Rc;

use self::load_exchange::LoadExchange;
use self::local_back_off::LocalBackOff;
use self::peer_back_off::PeerBackOff;
use self::reading::LoadTally;
pub(super) use self::reading::Reading;
use self::telling::Telling;
use super::settings::Settings;
use crate::scheduling::latency_model::LatencyModels;
use crate::scheduling::pod_load::PodLoads;
use crate::scheduling::pool::{DeploymentId, PodId, Pool};
use crate::scheduling::requests::Requests;
use crate::scheduling::time::Instant;
use crate::scheduling::view::View;
use crate::shared::Keys;
use crate::shared::claim::Claim;
use crate::shared::health::Failing;
use crate::shared::membership::{FencingToken, Generation, Membership};
use crate::shared::peer_view::{Numbered, PeerView};
use crate::shared::pool_state::PoolState;
use crate::shared::state_cache::{self, StateCache};
use crate::shared::store::{self, Contended, Store};

/// See the module.
pub(super) struct Coordinator<S> {
    pool_state: StateCache<S>,
    keys: Keys,
    generation: Generation,
    has_replicas: bool,
    /// View of other gateways, and the number by which the pool's state called for it.
    peer_view: (u64, Option<Rc<PeerView>>),
    own: Option<OwnMembership>,
    published: Published,
    /// `true` where the last change of what runs here could not be written to the pool's state.
    is_unpublished: bool,
    tally: LoadTally,
    load_exchange: LoadExchange,
    telling: Telling,
    local_back_off: LocalBackOff,
    peer_back_off: PeerBackOff,
}

#[derive(Clone, Copy, Debug)]
struct OwnMembership {
    fence: FencingToken,
    mailbox: Option<u32>,
    heartbeat: Instant,
}

/// Part of this VM's membership that tells of its queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Published {
    waiting: u32,
    claim: Option<Claim>,
}

// === impl Coordinator ===

impl<S: Store> Coordinator<S> {
    /// Of a VM that is no member yet.
    pub(super) fn new(store: S, settings: &Settings, now: Instant) -> Self {
        let keys = Keys::of(&settings.pool);
        Self {
            pool_state: StateCache::new(store, keys.pool_state()),
            keys,
            generation: Generation { since: now, fingerprint: settings.fingerprint },
            has_replicas: settings.replicas.is_some(),
            peer_view: (0, None),
            own: None,
            published: Published::default(),
            is_unpublished: false,
            tally: LoadTally::default(),
            load_exchange: LoadExchange::default(),
            telling: Telling::default(),
            local_back_off: LocalBackOff::default(),
            peer_back_off: PeerBackOff::new(settings.replicas.unwrap_or_default()),
        }
    }

    /// Returns the fencing token of this VM's membership, once it is a member.
    pub(super) fn fence(&self) -> Option<FencingToken> {
        self.own.map(|member| member.fence)
    }

    /// Shared data itself.
    pub(super) fn store(&self) -> &S {
        self.pool_state.store()
    }

    /// The pool's names in it.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Reads what all VMs have published by now.
    pub(super) fn read(&mut self) -> Reading {
        let pool_state = self.pool_state.read();
        self.reading(pool_state)
    }

    /// Returns what they most likely have published: good for taking room, which shows whether they
    /// had.
    pub(super) fn recall(&mut self) -> Reading {
        let pool_state = self.pool_state.recall();
        self.reading(pool_state)
    }

    fn reading(&mut self, pool_state: Rc<PoolState>) -> Reading {
        if self.has_replicas && self.peer_view.0 != pool_state.peer_view {
            // It may be newer than the pool's state says; then it is read once more than needed.
            let (Numbered { number, peer_view }, _) = store::read(self.pool_state.store(), &self.keys.peer_view());
            self.peer_view = (pool_state.peer_view, (number != 0).then(|| Rc::new(peer_view)));
        }
        Reading {
            is_outdated: pool_state.membership.is_outdated(self.generation),
            peer_view: self.peer_view.1.clone(),
            number: self.pool_state.reading(),
            pool_state,
        }
    }

    /// Changes what all VMs know of other gateways.
    pub(super) fn change_peer_view(&mut self, change: impl Fn(Option<&PeerView>) -> PeerView) {
        let changed = store::update(self.pool_state.store(), &self.keys.peer_view(), |known: &mut Numbered| {
            let before = (known.number != 0).then_some(&known.peer_view);
            let peer_view = change(before);
            (before != Some(&peer_view)).then(|| {
                let number = known.number.wrapping_add(1).max(1);
                *known = Numbered { number, peer_view };
                number
            })
        });
        // If either fails, the next look makes up for it.
        let Ok(Some(number)) = changed else { return };
        let _ = self
            .pool_state
            .update(|pool_state| (pool_state.peer_view != number).then(|| pool_state.peer_view = number));
    }

    /// Returns the members as this VM last read or wrote them.
    fn known_membership(&self) -> &Membership {
        &self.pool_state.known().membership
    }

    /// Publishes that a request on a pod of `deployment` ended, and what that showed of the pod:
    /// `note` says whether it changed anything.
    pub(super) fn release(
        &mut self,
        requests: &Requests,
        deployment: DeploymentId,
        note: impl Fn(&mut Failing) -> bool,
    ) {
        let fence = self.fence();
        let written = self.pool_state.update(|pool_state| {
            let noted = note(&mut pool_state.failing);
            let published =
                fence.is_some_and(|fence| pool_state.publish(deployment, fence, requests.load_on(deployment)));
            (noted || published).then_some(())
        });
        self.is_unpublished |= written.is_err();
    }

    /// Takes room: publishes these columns if the pool's state still is as it was read, and takes
    /// the right to probe these pods.
    pub(super) fn take_room(
        &mut self,
        reading: state_cache::ReadingNumber,
        columns: Vec<(DeploymentId, PodLoads)>,
        probed: &[PodId],
        now: Instant,
    ) -> Result<(), Contended> {
        let fence = self.fence();
        if fence.is_none() && probed.is_empty() {
            // All 256 slots are taken: there is nothing to publish under; the VM goes on by what it
            // reads.
            return Ok(());
        }
        let taken = self.pool_state.update_as_read(reading, |pool_state| {
            let probes = probed.iter().all(|pod| pool_state.failing.begin_probe(*pod, now));
            let publish =
                |fence| columns.into_iter().all(|(deployment, column)| pool_state.publish(deployment, fence, column));
            (probes && fence.is_none_or(publish)).then_some(())
        });
        // `None`: the membership is gone. The next heartbeat, which is due, joins anew.
        taken?.ok_or(Contended)
    }

    /// Returns the pool with the states of its pods, as all VMs have published them by now.
    pub(super) fn newest_view<'p>(
        &mut self,
        pool: &'p Rc<Pool>,
        requests: &Requests,
        latency_models: &LatencyModels,
        now: Instant,
    ) -> View<'p> {
        let reading = self.read();
        self.view(&reading, pool, requests, latency_models, now)
    }

    /// Returns the pool with the states of its pods, as read.
    pub(super) fn view<'p>(
        &mut self,
        reading: &Reading,
        pool: &'p Rc<Pool>,
        requests: &Requests,
        latency_models: &LatencyModels,
        now: Instant,
    ) -> View<'p> {
        reading.view(pool, self.fence(), requests, (&mut self.tally, latency_models), now)
    }
}
