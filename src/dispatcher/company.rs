//! Exchange of per-request in-flight state and learned speeds between VMs, for policies that go by
//! them: this VM publishes its part, and reads the others'.
//!
//! Values of other VMs are read, and this one's is written, at most once in [`EVERY`], so that many small requests do not cost
//! more than they are worth: the ledger, which is exact, has the counts meanwhile.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use fnv::FnvHashMap;

use super::crowd::Crowd;
use super::membership::Membership;
use super::running::{self, Running};
use super::{Dispatcher, SurveyedSpeed};
use crate::scheduling::policies;
use crate::scheduling::pool::{PodId, Pool};
use crate::scheduling::request::RequestId;
use crate::scheduling::speeds::Speeds;
use crate::scheduling::time::Instant;
use crate::scheduling::view::View;
use crate::shared::directory::{Directory, Ticket};
use crate::shared::runs::{Placed, Runs};
use crate::shared::store::{Store, decode, encode, read, update};

/// The least time between two writings, and between two readings.
const EVERY: Duration = Duration::from_millis(20);

/// Requests of other VMs after which no more are read in one callback.
const READ_AT_ONCE: usize = 50;

/// Views within this time are of one callback.
const AT_ONCE: Duration = Duration::from_millis(1);

/// Interval at which what was learned is exchanged.
const LEARNED_EVERY: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Company {
    pub(super) speeds: Speeds,
    crowd: Crowd,
    /// By seat, so that all is looked at in the same order.
    others: BTreeMap<u8, Other>,
    /// `true` where the others do not know yet what runs here.
    is_untold: bool,
    told_at: Option<Instant>,
    /// The pod that is looked at next, while the last look is not through.
    watched: usize,
    exchanged_at: Option<Instant>,
    /// Beginning of the callback that read last, and the requests of other VMs that it has read: that a view is made twice, since other
    /// VMs took the room first, must not tell more than once.
    reading: Option<(Instant, usize)>,
}

/// State that another VM has published.
#[derive(Debug)]
struct Other {
    owner: Ticket,
    version: u32,
    /// Instant of its last reading. For each by itself: a directory that is taken from memory may
    /// lack some.
    read_at: Instant,
    placed: Vec<Placed>,
}

// === impl Company ===

impl Company {
    /// `learns`: whether what responses show corrects what profiles say.
    pub(super) fn new(learns: bool) -> Self {
        Self { speeds: Speeds::new(learns), ..Self::default() }
    }

    /// Returns the speeds of the pool's deployments, those that are known.
    pub(super) fn speeds(&self, pool: &Pool) -> Vec<SurveyedSpeed> {
        let known = pool.deployments().iter().enumerate().filter_map(|(position, deployment)| {
            let speed = self.speeds.of(deployment.id)?;
            let pods = pool.pods().iter().filter(|pod| pod.deployment == position);
            Some(SurveyedSpeed {
                deployment: deployment.name.clone(),
                of_profile: speed.of_prior(),
                slowest_pod: pods.map(|pod| speed.factor_of(pod.id)).fold(0.0, f64::max),
                error: speed.error(),
                is_relied_on: speed.is_good(),
            })
        });
        known.collect()
    }

    /// Something changed of what runs here.
    pub(super) fn note_change(&mut self) {
        self.is_untold = true;
    }

    /// A new pool is in force.
    pub(super) fn meet_pool(&mut self, pool: &Rc<Pool>, running: &Running) {
        self.speeds.meet(pool);
        let own = running.seen().map(|(id, pod, _, run)| ((None, id), pod, run));
        let others = self.others.values().flat_map(|other| {
            other.placed.iter().map(|placed| ((Some(other.owner.slot), placed.id), placed.pod, &placed.run))
        });
        self.crowd = Crowd::new(Rc::clone(pool), own.chain(others));
    }

    /// A request of this VM runs, or its answer went on.
    pub(super) fn runs(&mut self, id: RequestId, run: &running::Run) {
        if let Some(seen) = &run.seen {
            self.crowd.put((None, id), run.pod, seen);
        }
    }

    /// A request of this VM runs no longer.
    pub(super) fn ended(&mut self, id: RequestId, run: &running::Run) {
        self.crowd.take((None, id), run.pod);
    }

    /// Tells a view what runs on each pod, for a policy that goes by it. Returns the number of
    /// requests of other VMs that were read for it.
    pub(super) fn show<S: Store>(
        &mut self,
        view: &mut View<'_>,
        membership: &Membership<S>,
        directory: &Directory,
        now: Instant,
    ) -> usize {
        let own = membership.ticket();
        let seats: Vec<Ticket> = directory.others(own, now).map(|seat| seat.ticket).collect();
        let gone: Vec<u8> =
            self.others.values().filter(|other| !seats.contains(&other.owner)).map(|other| other.owner.slot).collect();
        gone.into_iter().for_each(|slot| self.forget(slot));
        let read_at = |owner: &Ticket| self.others.get(&owner.slot).map(|other| other.read_at);
        let mut due: Vec<Ticket> = seats.into_iter().filter(|owner| is_over(read_at(owner), EVERY, now)).collect();
        // What is left out is read next time: those that were read longest ago come first.
        due.sort_by_key(|owner| (read_at(owner), owner.slot));
        if self.reading.is_none_or(|(since, _)| now.since(since) >= AT_ONCE) {
            self.reading = Some((now, 0));
        }
        let before = self.reading.map_or(0, |(_, read)| read);
        let mut read = 0_usize;
        for owner in due {
            if before.saturating_add(read) >= READ_AT_ONCE {
                break;
            }
            let stored = membership.store().get(&membership.keys().runs(owner.slot));
            if let Some(other) = self.others.get_mut(&owner.slot).filter(|other| other.version == stored.version) {
                other.read_at = now;
                continue;
            }
            let runs: Runs = decode(&stored.bytes);
            let placed: Vec<Placed> = if runs.owner == Some(owner) { runs.into_placed().collect() } else { Vec::new() };
            read = read.saturating_add(placed.len());
            self.meet(owner, stored.version, placed, now);
        }
        self.reading = self.reading.map(|(since, _)| (since, before.saturating_add(read)));
        view.tell_runs(self.crowd.runs());
        read
    }

    /// Counts the requests that the other VMs have published.
    #[cfg(test)]
    pub(super) fn elsewhere(&self) -> usize {
        self.others.values().map(|other| other.placed.len()).sum()
    }

    fn forget(&mut self, slot: u8) {
        for placed in self.others.remove(&slot).into_iter().flat_map(|other| other.placed) {
            self.crowd.take((Some(slot), placed.id), placed.pod);
        }
    }

    /// Another VM told what it runs; prompts that came there since the last time stall its pods.
    fn meet(&mut self, owner: Ticket, version: u32, placed: Vec<Placed>, now: Instant) {
        let slot = owner.slot;
        let before = self.others.remove(&slot).map(|other| other.placed).unwrap_or_default();
        let mut left: FnvHashMap<RequestId, PodId> = before.into_iter().map(|placed| (placed.id, placed.pod)).collect();
        for Placed { id, pod, deployment, run } in &placed {
            let known = left.remove(id);
            if let Some(elsewhere) = known.filter(|known| known != pod) {
                self.crowd.take((Some(slot), *id), elsewhere);
            }
            if known.is_none() {
                self.speeds.came(run.prompt_tokens, (*pod, *deployment), now);
            }
            self.crowd.put((Some(slot), *id), *pod, run);
        }
        for (id, pod) in left {
            self.crowd.take((Some(slot), id), pod);
        }
        self.others.insert(slot, Other { owner, version, read_at: now, placed });
    }
}

// === impl Dispatcher ===

impl<S: Store> Dispatcher<S> {
    /// Something changed of what runs here: tells the others, if they were not told just now.
    pub(super) fn tell_company(&mut self, now: Instant) {
        self.company.is_untold |= self.settings.looks_at_runs;
        self.tell(now);
    }

    /// Exchanges with the other VMs what runs and what was learned, and looks at it; not more often than it helps. Returns
    /// `true` if it did more than tell.
    pub(super) fn keep_company(&mut self, now: Instant) -> bool {
        self.tell(now);
        if is_over(self.company.exchanged_at, LEARNED_EVERY, now) {
            self.company.exchanged_at = Some(now);
            self.exchange();
        } else if self.company.watched == 0 {
            return false;
        }
        let pool = Rc::clone(&self.pool);
        let reading = self.membership.read();
        let mut view = reading.view(&pool, self.membership.ticket(), &self.running, &mut self.tally, now);
        self.company.show(&mut view, &self.membership, &reading.board.directory, now);
        self.company.watched = policies::watch(&view, self.company.watched, &mut self.company.speeds, now);
        true
    }

    fn tell(&mut self, now: Instant) {
        let company = &mut self.company;
        let is_due = company.is_untold && is_over(company.told_at, EVERY, now);
        let Some(own) = self.membership.ticket().filter(|_| is_due) else { return };
        let (store, key) = (self.membership.store(), self.membership.keys().runs(own.slot));
        let version = store.get(&key).version;
        let value = encode(&Runs::of(own, self.running.seen()));
        // Nobody else writes it while this VM has the seat; where it fails all the same, the next change or tick writes it.
        company.is_untold = store.set(&key, &value, version).is_err();
        company.told_at = Some(now);
    }

    fn exchange(&mut self) {
        let (store, keys) = (self.membership.store(), self.membership.keys());
        for (deployment, speed) in self.company.speeds.iter_mut() {
            let key = keys.learned(deployment);
            if !speed.has_news() {
                speed.take(read(store, &key).0);
                continue;
            }
            let learned = update(store, &key, |all| {
                speed.tell(all);
                Some(all.clone())
            });
            if let Ok(Some(learned)) = learned {
                speed.take(learned);
            }
        }
    }
}

fn is_over(since: Option<Instant>, span: Duration, now: Instant) -> bool {
    since.is_none_or(|since| now.since(since) >= span)
}
