//! This VM's place among the others: its seat, what it publishes, and how it wakes them.

use super::running::Running;
use crate::scheduling::deployment::DeploymentName;
use crate::scheduling::pool::{PodId, Pool};
use crate::scheduling::time::Instant;
use crate::shared::claim::Claim;
use crate::shared::directory::{self as seat, Directory, Generation, HEARTBEAT, Ticket};
use crate::shared::health::Failing;
use crate::shared::ledger::{Column, Ledger};
use crate::shared::store::{self, Contended, Store};
use crate::shared::{Keys, update};

/// See the module.
pub(super) struct Membership<S> {
    pub(super) store: S,
    pub(super) keys: Keys,
    generation: Generation,
    seat: Option<Seat>,
    published: Published,
}

#[derive(Clone, Copy, Debug)]
struct Seat {
    ticket: Ticket,
    mailbox: Option<u32>,
    heartbeat: Instant,
}

/// What the directory says of this VM's queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Published {
    waiting: u32,
    claim: Option<Claim>,
}

// === impl Membership ===

impl<S: Store> Membership<S> {
    pub(super) fn new(store: S, keys: Keys, generation: Generation) -> Self {
        Self { store, keys, generation, seat: None, published: Published::default() }
    }

    /// What tells this VM from the others, once it has a seat.
    pub(super) fn ticket(&self) -> Option<Ticket> {
        self.seat.map(|seat| seat.ticket)
    }

    pub(super) fn directory(&self) -> Directory {
        store::read(&self.store, self.keys.directory()).0
    }

    /// Takes a seat if there is none: a request shows that this VM serves.
    pub(super) fn join(&mut self, pool: &Pool, running: &mut Running, now: Instant) {
        if self.seat.is_some() {
            return;
        }
        let joined = update(&self.store, self.keys.directory(), |directory: &mut Directory| {
            directory.note(self.generation);
            directory.join(now)
        });
        let Ok(Some(ticket)) = joined else { return };
        let mailbox = self.store.open_mailbox(&self.keys.mailbox(ticket.slot));
        self.seat = Some(Seat { ticket, mailbox, heartbeat: now });
        self.change_seat(|seat| seat.mailbox = mailbox);
        self.published = Published::default();
        self.publish_pool(pool);
        self.publish_columns(running);
    }

    /// Tells the roots of older configurations, which still drain, what pods there are now.
    pub(super) fn publish_pool(&self, pool: &Pool) {
        if self.seat.is_none() || self.directory().is_outdated(self.generation) {
            return;
        }
        let pods: Vec<PodId> = pool.pods().iter().map(|pod| pod.id).collect();
        // If it fails, another VM has just written the same.
        let _ = update(&self.store, &self.keys.newest_pods(), |newest: &mut Vec<PodId>| {
            (*newest != pods).then(|| newest.clone_from(&pods))
        });
        let keep = |failing: &mut Failing| failing.keep_to(&pods).then_some(());
        let _ = update(&self.store, self.keys.health(), keep);
    }

    /// The pods of a newer configuration, if there is one: others take no new work.
    pub(super) fn newer_pods(&self, directory: &Directory) -> Option<Vec<PodId>> {
        directory.is_outdated(self.generation).then(|| store::read(&self.store, &self.keys.newest_pods()).0)
    }

    /// Gives the seat up.
    pub(super) fn leave(&mut self) {
        let Some(seat) = self.seat.take() else { return };
        let leave = |directory: &mut Directory| {
            directory.leave(seat.ticket);
            Some(())
        };
        // If it fails, the seat falls silent and is dropped as a dead one.
        let _ = update(&self.store, self.keys.directory(), leave);
    }

    /// Says that this VM lives, and drops those that do not. A VM that finds its own seat gone takes another.
    pub(super) fn beat(&mut self, pool: &Pool, running: &mut Running, now: Instant) {
        let Some(seat) = self.seat.filter(|seat| now.since(seat.heartbeat) >= HEARTBEAT) else { return };
        let beat = |directory: &mut Directory| {
            directory.seat_mut(seat.ticket)?.heartbeat = now;
            directory.drop_dead(now);
            Some(())
        };
        match update(&self.store, self.keys.directory(), beat) {
            Ok(Some(())) => self.seat = Some(Seat { heartbeat: now, ..seat }),
            Ok(None) => {
                self.seat = None;
                self.join(pool, running, now);
            }
            Err(Contended) => {}
        }
        if running.has_unpublished() {
            self.publish_columns(running);
        }
    }

    /// Publishes what runs here on the pods of all deployments.
    pub(super) fn publish_columns(&self, running: &mut Running) {
        for deployment in running.deployments() {
            self.publish_column(running, &deployment);
        }
    }

    /// Publishes what runs here on the pods of one deployment. Columns of VMs that are gone are passed over by readers, and
    /// left out when room is taken.
    pub(super) fn publish_column(&self, running: &mut Running, deployment: &DeploymentName) {
        let Some(seat) = self.seat else { return };
        let column = running.column(deployment);
        let written = update(&self.store, &self.keys.ledger(deployment), |ledger: &mut Ledger| {
            ledger.publish(seat.ticket, &column);
            Some(())
        });
        running.set_published(deployment, written.is_ok());
    }

    /// Takes room: publishes `column` if the ledger still is as it was read.
    pub(super) fn take_room(
        &self,
        deployment: &DeploymentName,
        (mut ledger, version): (Ledger, u32),
        column: &Column,
    ) -> Result<(), Contended> {
        // Without a seat (all 256 taken) there is nothing to publish under; the VM goes on by what it reads.
        let Some(seat) = self.seat else { return Ok(()) };
        ledger.publish(seat.ticket, column);
        store::write(&self.store, &self.keys.ledger(deployment), &ledger, version)
    }

    /// Tells the other VMs how many requests wait here and what the most urgent needs, if that changed. It also says
    /// that this VM has looked, if it was woken.
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
            self.store.send(mailbox);
        }
    }

    /// Wakes another VM for its claim. `false`: it need not be waited for, since it was woken and did not look.
    pub(super) fn wake(&self, seat: &seat::Seat, now: Instant) -> bool {
        if !seat.may_be_woken(now) {
            return seat.is_yielded_to(now);
        }
        let ticket = seat.ticket;
        let woken = update(&self.store, self.keys.directory(), |directory: &mut Directory| {
            let seat = directory.seat_mut(ticket).filter(|seat| seat.may_be_woken(now))?;
            seat.woken = Some(now);
            seat.mailbox
        });
        if let Ok(Some(mailbox)) = woken {
            self.store.send(mailbox);
        }
        true
    }

    fn change_seat(&self, mut change: impl FnMut(&mut seat::Seat)) -> bool {
        let Some(own) = self.seat else { return false };
        let changed = update(&self.store, self.keys.directory(), |directory: &mut Directory| {
            directory.seat_mut(own.ticket).map(&mut change)
        });
        changed == Ok(Some(()))
    }
}
