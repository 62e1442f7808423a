//! Exchange of what runs, request by request, with the other VMs, for policies that go by it.
//!
//! Values of other VMs are read, and this one's is written, at most once in [`EVERY`], so that many
//! small requests do not cost more than they are worth: the ledger, which is exact, has the counts
//! meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use fnv::FnvHashMap;

use crate::learning::Knowledge;
use crate::scheduling::latency_model::LatencyModels;
use crate::scheduling::pool::PodId;
use crate::scheduling::prefix::RecentPlacements;
use crate::scheduling::request::RequestId;
use crate::scheduling::requests::{PodRuns, Requests, RunKey};
use crate::scheduling::run::Run;
use crate::scheduling::time::Instant;
use crate::shared::Keys;
use crate::shared::membership::FencingToken;
use crate::shared::runs::{Placed, Runs};
use crate::shared::store::{Store, decode, encode};

/// The least time between two writings of what runs, and between two readings.
const EVERY: Duration = Duration::from_millis(20);

/// Requests of other VMs after which no more are read in one callback.
const READ_AT_ONCE: usize = 50;

/// Placements that reading takes about as long for as for a request.
const PLACEMENTS_OF_REQUEST: usize = 2;

/// Views within this time are of one callback.
const AT_ONCE: Duration = Duration::from_millis(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct LoadExchange {
    /// By slot, so that all is looked at in the same order.
    others: BTreeMap<u8, OtherVm>,
    /// `true` where the others do not know yet what runs here.
    is_untold: bool,
    told_at: Option<Instant>,
    /// Beginning of the callback that read last, and the requests of other VMs that it has read:
    /// that a view is made twice, since other VMs took the room first, must not tell more than
    /// once.
    reading: Option<(Instant, usize)>,
}

/// State that another VM has published.
#[derive(Debug)]
struct OtherVm {
    owner: FencingToken,
    version: u32,
    /// Instant of its last reading. For each by itself: a list of members that is taken from memory
    /// may lack some.
    read_at: Instant,
    placed: Vec<Placed>,
    /// Prompts that it had sent to pods by then, ever.
    placements: u64,
}

// === impl LoadExchange ===

impl LoadExchange {
    /// Something changed of what runs here.
    pub(super) fn note_change(&mut self) {
        self.is_untold = true;
    }

    /// Tells the other VMs what runs here, if that changed and they were not told just now.
    pub(super) fn tell<S: Store>(
        &mut self,
        own: FencingToken,
        (store, keys): (&S, &Keys),
        requests: &Requests,
        placements: impl FnOnce() -> RecentPlacements,
        now: Instant,
    ) {
        if !self.is_untold || !is_over(self.told_at, EVERY, now) {
            return;
        }
        let key = keys.runs(own.slot);
        let version = store.get(&key).version;
        let value = encode(&Runs::of(own, requests.seen(), placements()));
        // Nobody else writes it while this VM is a member; where it fails all the same, the next
        // change or tick writes it.
        self.is_untold = store.set(&key, &value, version).is_err();
        self.told_at = Some(now);
    }

    /// Returns what other VMs run, as far as it was read.
    pub(super) fn runs(&self) -> impl Iterator<Item = (RunKey, PodId, &Run)> {
        self.others.values().flat_map(|other| {
            other.placed.iter().map(|placed| ((Some(other.owner.slot), placed.id), placed.pod, &placed.run))
        })
    }

    /// Reads what these other VMs run, where that may have changed, into `pod_runs`. Returns the
    /// number of requests that were read.
    pub(super) fn read<S: Store>(
        &mut self,
        members: Vec<FencingToken>,
        (store, keys): (&S, &Keys),
        pod_runs: &mut PodRuns,
        knowledge: &mut Knowledge,
        now: Instant,
    ) -> usize {
        let gone: Vec<u8> = self
            .others
            .values()
            .filter(|other| !members.contains(&other.owner))
            .map(|other| other.owner.slot)
            .collect();
        gone.into_iter().for_each(|slot| self.forget(slot, pod_runs));
        let read_at = |owner: &FencingToken| self.others.get(&owner.slot).map(|other| other.read_at);
        let mut due: Vec<FencingToken> =
            members.into_iter().filter(|owner| is_over(read_at(owner), EVERY, now)).collect();
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
            let stored = store.get(&keys.runs(owner.slot));
            if let Some(other) = self.others.get_mut(&owner.slot).filter(|other| other.version == stored.version) {
                other.read_at = now;
                continue;
            }
            let mut runs: Runs = decode(&stored.bytes);
            if runs.owner != Some(owner) {
                runs = Runs::default();
            }
            let before = self.others.get(&owner.slot).filter(|other| other.owner == owner);
            let taken = knowledge.take_placements(&runs.placements, before.map_or(0, |other| other.placements));
            let placements = runs.placements.sequence();
            let placed: Vec<Placed> = runs.into_placed().collect();
            read = read.saturating_add(placed.len()).saturating_add(taken.div_ceil(PLACEMENTS_OF_REQUEST));
            let other = OtherVm { owner, version: stored.version, read_at: now, placed, placements };
            self.meet(other, pod_runs, knowledge.latency_models_mut());
        }
        self.reading = self.reading.map(|(since, _)| (since, before.saturating_add(read)));
        read
    }

    fn forget(&mut self, slot: u8, pod_runs: &mut PodRuns) {
        for placed in self.others.remove(&slot).into_iter().flat_map(|other| other.placed) {
            pod_runs.take((Some(slot), placed.id), placed.pod);
        }
    }

    /// Another VM told what it runs; prompts that came there since the last time stall its pods.
    fn meet(&mut self, other: OtherVm, pod_runs: &mut PodRuns, latency_models: &mut LatencyModels) {
        let slot = other.owner.slot;
        let before = self.others.remove(&slot).map(|other| other.placed).unwrap_or_default();
        let mut left: FnvHashMap<RequestId, PodId> = before.into_iter().map(|placed| (placed.id, placed.pod)).collect();
        for Placed { id, pod, deployment, run } in &other.placed {
            let known = left.remove(id);
            if let Some(elsewhere) = known.filter(|known| known != pod) {
                pod_runs.take((Some(slot), *id), elsewhere);
            }
            if known.is_none() {
                let prompt_tokens = f64::from(run.prompt_tokens);
                latency_models.came(prompt_tokens, run.computed_tokens, (*pod, *deployment), other.read_at);
            }
            pod_runs.put((Some(slot), *id), *pod, run);
        }
        for (id, pod) in left {
            pod_runs.take((Some(slot), id), pod);
        }
        self.others.insert(slot, other);
    }
}

/// Returns `true` once so much time has passed.
fn is_over(since: Option<Instant>, span: Duration, now: Instant) -> bool {
    since.is_none_or(|since| now.since(since) >= span)
}
