//! This VM's place among the others: its seat, what it publishes, and how it wakes them.

use std::rc::Rc;

use super::reading::Reading;
use super::running::Running;
use crate::scheduling::pool::{DeploymentId, PodId, Pool};
use crate::scheduling::time::Instant;
use crate::shared::Keys;
use crate::shared::claim::Claim;
use crate::shared::directory::{self as seat, Directory, Generation, HEARTBEAT, Ticket};
use crate::shared::health::Failing;
use crate::shared::ledger::Column;
use crate::shared::peer_view::{Numbered, PeerView};
use crate::shared::pool_state::PoolState;
use crate::shared::state_cache::{self, StateCache};
use crate::shared::store::{self, Contended, Store};

/// See the module.
pub(super) struct Membership<S> {
    pool_state: StateCache<S>,
    keys: Keys,
    generation: Generation,
    has_replicas: bool,
    /// View of other gateways, and the number by which the pool's state called for it.
    peer_view: (u64, Option<Rc<PeerView>>),
    seat: Option<OwnSeat>,
    published: Published,
}

#[derive(Clone, Copy, Debug)]
struct OwnSeat {
    ticket: Ticket,
    mailbox: Option<u32>,
    heartbeat: Instant,
}

/// Entry of the directory for this VM's queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Published {
    waiting: u32,
    claim: Option<Claim>,
}

// === impl Membership ===

impl<S: Store> Membership<S> {
    pub(super) fn new(store: S, keys: Keys, generation: Generation, has_replicas: bool) -> Self {
        let pool_state = StateCache::new(store, keys.pool_state());
        let peer_view = (0, None);
        Self { pool_state, keys, generation, has_replicas, peer_view, seat: None, published: Published::default() }
    }

    /// Returns the ticket of this VM's seat, once it has one.
    pub(super) fn ticket(&self) -> Option<Ticket> {
        self.seat.map(|seat| seat.ticket)
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
            is_outdated: pool_state.directory.is_outdated(self.generation),
            peer_view: self.peer_view.1.clone(),
            number: self.pool_state.reading(),
            pool_state,
        }
    }

    /// Changes what all VMs know of other gateways.
    pub(super) fn change_outlook(&mut self, change: impl Fn(Option<&PeerView>) -> PeerView) {
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

    /// Returns the directory as this VM last read or wrote it.
    pub(super) fn known_directory(&self) -> &Directory {
        &self.pool_state.known().directory
    }

    /// Takes a seat if there is none: a request shows that this VM serves.
    pub(super) fn join(&mut self, pool: &Pool, running: &mut Running, now: Instant) {
        if self.seat.is_some() {
            return;
        }
        let generation = self.generation;
        let joined = self.pool_state.update(|pool_state| {
            pool_state.drop_dead(now);
            pool_state.directory.note(generation);
            pool_state.directory.join(now)
        });
        let Ok(Some(ticket)) = joined else { return };
        let mailbox = self.pool_state.store().open_mailbox(&self.keys.mailbox(ticket.slot));
        self.seat = Some(OwnSeat { ticket, mailbox, heartbeat: now });
        self.change_seat(|seat| seat.mailbox = mailbox);
        self.published = Published::default();
        self.publish_pool(pool);
        self.publish_columns(running);
    }

    /// Tells the roots of older configurations, which still drain, what pods there are now.
    pub(super) fn publish_pool(&mut self, pool: &Pool) {
        if self.seat.is_none() {
            return;
        }
        let generation = self.generation;
        let pods: Vec<PodId> = pool.pods().iter().map(|pod| pod.id).collect();
        // If it fails, another VM has just written the same.
        let _ = self.pool_state.update(|pool_state| {
            if pool_state.directory.is_outdated(generation) {
                return None;
            }
            let shrank = pool_state.failing.keep_to(&pods);
            (shrank || pool_state.newest_pods != pods).then(|| pool_state.newest_pods.clone_from(&pods))
        });
    }

    /// Gives the seat up.
    pub(super) fn leave(&mut self) {
        let Some(seat) = self.seat.take() else { return };
        // If it fails, the seat falls silent and is dropped as a dead one.
        let _ = self.pool_state.update(|pool_state| {
            pool_state.leave(seat.ticket);
            Some(())
        });
    }

    /// Says that this VM lives, and drops those that do not. A VM that finds its own seat gone
    /// takes another.
    pub(super) fn beat(&mut self, pool: &Pool, running: &mut Running, now: Instant) {
        let Some(seat) = self.seat.filter(|seat| now.since(seat.heartbeat) >= HEARTBEAT) else { return };
        let beat = self.pool_state.update(|pool_state| {
            pool_state.directory.seat_mut(seat.ticket)?.heartbeat = now;
            pool_state.drop_dead(now);
            Some(())
        });
        match beat {
            Ok(Some(())) => self.seat = Some(OwnSeat { heartbeat: now, ..seat }),
            Ok(None) => {
                self.seat = None;
                self.join(pool, running, now);
            }
            Err(Contended) => {}
        }
        if running.unpublished {
            self.publish_columns(running);
        }
    }

    /// Publishes what runs here on the pods of all deployments.
    pub(super) fn publish_columns(&mut self, running: &mut Running) {
        let Some(seat) = self.seat else { return };
        let written = self.pool_state.update(|pool_state| {
            let mut columns = running.columns();
            columns
                .all(|(deployment, column)| pool_state.publish(deployment, seat.ticket, column.clone()))
                .then_some(())
        });
        running.unpublished = written.is_err();
    }

    /// Publishes that a request on a pod of `deployment` ended, and what that showed of the pod:
    /// `note` says whether it changed anything.
    pub(super) fn release(
        &mut self,
        running: &mut Running,
        deployment: DeploymentId,
        note: impl Fn(&mut Failing) -> bool,
    ) {
        let ticket = self.ticket();
        let written = self.pool_state.update(|pool_state| {
            let noted = note(&mut pool_state.failing);
            let published =
                ticket.is_some_and(|ticket| pool_state.publish(deployment, ticket, running.column(deployment)));
            (noted || published).then_some(())
        });
        running.unpublished |= written.is_err();
    }

    /// Takes room: publishes these columns if the pool's state still is as it was read, and takes
    /// the right to probe these pods.
    pub(super) fn take_room(
        &mut self,
        reading: state_cache::ReadingNumber,
        columns: Vec<(DeploymentId, Column)>,
        probed: &[PodId],
        now: Instant,
    ) -> Result<(), Contended> {
        let ticket = self.ticket();
        if ticket.is_none() && probed.is_empty() {
            // All 256 seats are taken: there is nothing to publish under; the VM goes on by what it
            // reads.
            return Ok(());
        }
        let taken = self.pool_state.update_as_read(reading, |pool_state| {
            let probes = probed.iter().all(|pod| pool_state.failing.begin_probe(*pod, now));
            let publish =
                |ticket| columns.into_iter().all(|(deployment, column)| pool_state.publish(deployment, ticket, column));
            (probes && ticket.is_none_or(publish)).then_some(())
        });
        // `None`: the seat is gone. The next heartbeat, which is due, takes another.
        taken?.ok_or(Contended)
    }

    /// Tells the other VMs how many requests wait here and what the most urgent needs, if that
    /// changed. It also says that this VM has looked, if it was woken.
    pub(super) fn publish_queue(&mut self, waiting: u32, claim: Option<Claim>, directory: &Directory) {
        let Some(seat) = self.seat else { return };
        let published = Published { waiting, claim };
        let was_woken = directory.seat(seat.ticket).is_some_and(|seat| seat.woken.is_some());
        if published == self.published && !was_woken {
            return;
        }
        let changed = self.change_seat(|seat| {
            seat.waiting = published.waiting;
            seat.claim.clone_from(&published.claim);
            seat.woken = None;
        });
        if changed {
            self.published = published;
        }
    }

    /// Asks this VM to look again from a flat stack.
    pub(super) fn wake_self(&self) {
        if let Some(mailbox) = self.seat.and_then(|seat| seat.mailbox) {
            self.pool_state.store().send(mailbox);
        }
    }

    /// Wakes another VM for its claim. `false`: it need not be waited for, since it was woken and
    /// did not look.
    pub(super) fn wake(&mut self, seat: &seat::Seat, now: Instant) -> bool {
        if !seat.may_be_woken(now) {
            return seat.is_yielded_to(now);
        }
        let ticket = seat.ticket;
        let woken = self.pool_state.update(|pool_state| {
            let seat = pool_state.directory.seat_mut(ticket).filter(|seat| seat.may_be_woken(now))?;
            seat.woken = Some(now);
            seat.mailbox
        });
        if let Ok(Some(mailbox)) = woken {
            self.pool_state.store().send(mailbox);
        }
        true
    }

    fn change_seat(&mut self, mut change: impl FnMut(&mut seat::Seat)) -> bool {
        let Some(own) = self.seat else { return false };
        let changed = self.pool_state.update(|pool_state| pool_state.directory.seat_mut(own.ticket).map(&mut change));
        changed == Ok(Some(()))
    }
}
