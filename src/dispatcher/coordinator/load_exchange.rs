//! Requests that the other VMs run, one by one, as these told of them, for policies that go by more
//! than sums.
//!
//! Values of other VMs are read at most once in [`EVERY`], so that many small requests do not cost
//! more than they are worth, and only some pages at once where many requests run: the ledger, which
//! is exact, has the counts meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use fnv::FnvHashMap;

use super::telling::{EVERY, PAGES_AT_ONCE, is_over};
use crate::learning::Knowledge;
use crate::scheduling::latency_model::LatencyModels;
use crate::scheduling::pool::PodId;
use crate::scheduling::request::RequestId;
use crate::scheduling::requests::{PodRuns, RunKey};
use crate::scheduling::run::Run;
use crate::scheduling::time::Instant;
use crate::shared::Keys;
use crate::shared::membership::FencingToken;
use crate::shared::runs::{MOST_PAGES, Placed, Runs, page_of};
use crate::shared::store::{Store, decode};

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
    /// Beginning of the callback that read last, and the requests of other VMs that it has read:
    /// that a view is made twice, since other VMs took the room first, must not tell more than
    /// once.
    reading: Option<(Instant, usize)>,
}

/// State that another VM has published.
#[derive(Debug)]
struct OtherVm {
    owner: FencingToken,
    /// Instant of its last reading. For each by itself: a list of members that is taken from memory
    /// may lack some.
    read_at: Instant,
    /// One at least.
    pages: Vec<RunsPage>,
    /// The page to read next, besides the first.
    next: usize,
    /// Prompts that it had sent to pods by then, ever.
    placements: u64,
}

/// A page as it was last read.
#[derive(Debug, Default)]
struct RunsPage {
    version: u32,
    placed: Vec<Placed>,
}

// === impl LoadExchange ===

impl LoadExchange {
    /// Returns what other VMs run, as far as it was read.
    pub(super) fn runs(&self) -> impl Iterator<Item = (RunKey, PodId, &Run)> {
        self.others.values().flat_map(|other| {
            other.placed().map(|placed| ((Some(other.owner.slot), placed.id), placed.pod, &placed.run))
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
            if self.others.get(&owner.slot).is_some_and(|other| other.owner != owner) {
                self.forget(owner.slot, pod_runs);
            }
            let mut other = self.others.remove(&owner.slot).unwrap_or_else(|| OtherVm::new(owner));
            other.read_at = now;
            for page in other.turn() {
                let stored = store.get(&keys.runs(owner.slot, page));
                if other.pages.get(page).is_some_and(|known| known.version == stored.version) {
                    continue;
                }
                let runs: Runs = decode(&stored.bytes);
                let is_its = runs.owner == Some(owner);
                let runs = if is_its { runs } else { Runs::default() };
                if page == 0 {
                    let taken = knowledge.take_placements(&runs.placements, other.placements);
                    other.placements = runs.placements.sequence();
                    other.divide(runs.pages.clamp(1, MOST_PAGES));
                    read = read.saturating_add(taken.div_ceil(PLACEMENTS_OF_REQUEST));
                } else if runs.pages != other.pages.len() {
                    // It is of another division; the first page will say so.
                    continue;
                }
                let placed: Vec<Placed> = runs.into_placed().collect();
                read = read.saturating_add(placed.len());
                other.take(
                    page,
                    RunsPage { version: stored.version, placed },
                    pod_runs,
                    knowledge.latency_models_mut(),
                );
            }
            self.others.insert(owner.slot, other);
        }
        self.reading = self.reading.map(|(since, _)| (since, before.saturating_add(read)));
        read
    }

    fn forget(&mut self, slot: u8, pod_runs: &mut PodRuns) {
        for placed in self.others.remove(&slot).iter().flat_map(OtherVm::placed) {
            pod_runs.take((Some(slot), placed.id), placed.pod);
        }
    }
}

// === impl OtherVm ===

impl OtherVm {
    /// Nothing of it was read yet.
    fn new(owner: FencingToken) -> Self {
        Self { owner, read_at: Instant::ZERO, pages: vec![RunsPage::default()], next: 1, placements: 0 }
    }

    /// Returns what it runs.
    fn placed(&self) -> impl Iterator<Item = &Placed> {
        self.pages.iter().flat_map(|page| &page.placed)
    }

    /// Returns the pages to read now: the first one, and of the others some, each in its turn.
    fn turn(&mut self) -> Vec<usize> {
        let others = self.pages.len().saturating_sub(1).min(PAGES_AT_ONCE.saturating_sub(1));
        let mut turn = vec![0];
        for _ in 0..others {
            turn.push(self.next);
            self.next = if self.next.saturating_add(1) < self.pages.len() { self.next.saturating_add(1) } else { 1 };
        }
        turn
    }

    /// It has so many pages now: what was read of it stays known until they are read.
    fn divide(&mut self, pages: usize) {
        if pages == self.pages.len() {
            return;
        }
        let mut divided: Vec<RunsPage> = Vec::new();
        divided.resize_with(pages, RunsPage::default);
        for placed in std::mem::take(&mut self.pages).into_iter().flat_map(|page| page.placed) {
            if let Some(page) = divided.get_mut(page_of(placed.run.arrived_at, pages)) {
                page.placed.push(placed);
            }
        }
        (self.pages, self.next) = (divided, 1);
    }

    /// It told what a page holds; prompts that came there since the last time stall its pods.
    fn take(&mut self, page: usize, read: RunsPage, pod_runs: &mut PodRuns, latency_models: &mut LatencyModels) {
        let slot = self.owner.slot;
        let Some(known) = self.pages.get_mut(page) else { return };
        let before = std::mem::replace(known, read);
        let mut left: FnvHashMap<RequestId, PodId> =
            before.placed.into_iter().map(|placed| (placed.id, placed.pod)).collect();
        for Placed { id, pod, deployment, run } in &known.placed {
            let known = left.remove(id);
            if let Some(elsewhere) = known.filter(|known| known != pod) {
                pod_runs.take((Some(slot), *id), elsewhere);
            }
            if known.is_none() {
                let prompt_tokens = f64::from(run.prompt_tokens);
                latency_models.came(prompt_tokens, run.computed_tokens, (*pod, *deployment), self.read_at);
            }
            pod_runs.put((Some(slot), *id), *pod, run);
        }
        for (id, pod) in left {
            pod_runs.take((Some(slot), id), pod);
        }
    }
}
