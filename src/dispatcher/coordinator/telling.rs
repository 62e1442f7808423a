//! Telling the other VMs what runs here, request by request: at most once in [`EVERY`], and only
//! some pages at once where many requests run.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::scheduling::prefix::RecentPlacements;
use crate::scheduling::request::RequestId;
use crate::scheduling::requests::Requests;
use crate::scheduling::time::Instant;
use crate::shared::Keys;
use crate::shared::membership::FencingToken;
use crate::shared::runs::{MOST_PAGES, Runs, page_of};
use crate::shared::store::{Store, encode};

/// The least time between two writings of what runs, and between two readings.
pub(super) const EVERY: Duration = Duration::from_millis(20);

/// Requests of a page beyond which there are to be more pages.
const RUNS_OF_PAGE: usize = 32;

/// Pages that are written and read at once.
pub(super) const PAGES_AT_ONCE: usize = 3;

/// Pages that are written at once by a tick while nothing waits: no round follows, and ticks are
/// rare.
const PAGES_OF_IDLE_TICK: usize = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Telling {
    pages: usize,
    /// Pages on which something changed that the others do not know yet.
    changed: BTreeSet<usize>,
    /// The page from which on the next ones are looked for, so that all have their turn.
    next: usize,
    told_at: Option<Instant>,
}

// === impl Telling ===

impl Default for Telling {
    fn default() -> Self {
        Self { pages: 1, changed: BTreeSet::new(), next: 0, told_at: None }
    }
}

impl Telling {
    /// The answer to a request that came then goes on.
    pub(super) fn note_progress(&mut self, arrived_at: Instant) {
        self.changed.insert(page_of(arrived_at, self.pages));
    }

    /// A request that came then was sent to a pod, or ended.
    pub(super) fn note_change(&mut self, arrived_at: Instant) {
        // What prompts are sent to pods is told on the first page.
        self.changed.insert(0);
        self.note_progress(arrived_at);
    }

    /// Returns `true` if there is something to tell, and it is time to.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.changed.is_empty() && is_over(self.told_at, EVERY, now)
    }

    /// Nobody is there to be told now.
    pub(super) fn put_off(&mut self, now: Instant) {
        self.told_at = Some(now);
    }

    /// Tells the other VMs some of what changed.
    pub(super) fn tell<S: Store>(
        &mut self,
        own: FencingToken,
        (store, keys): (&S, &Keys),
        requests: &Requests,
        placements: impl FnOnce() -> RecentPlacements,
        in_idle_tick: bool,
        now: Instant,
    ) {
        self.told_at = Some(now);
        self.suit(requests.running_count());
        let chosen = self.choose(if in_idle_tick { PAGES_OF_IDLE_TICK } else { PAGES_AT_ONCE });
        let mut on_pages: Vec<Vec<RequestId>> = vec![Vec::new(); chosen.len()];
        for id in requests.running_ids() {
            let Some(run) = requests.running(id) else { continue };
            let page = page_of(run.arrival.at, self.pages);
            let index = chosen.iter().position(|chosen| *chosen == page);
            if let Some(on_page) = index.and_then(|index| on_pages.get_mut(index)) {
                on_page.push(id);
            }
        }
        let mut placements = Some(placements);
        for (page, ids) in chosen.into_iter().zip(on_pages) {
            let placements = placements.take_if(|_| page == 0).map(|placements| placements()).unwrap_or_default();
            let runs = ids.into_iter().filter_map(|id| requests.seen(id));
            let value = encode(&Runs::of(own, self.pages, runs, placements));
            let key = keys.runs(own.slot, page);
            // Nobody else writes it while this VM is a member; where it fails all the same, it is
            // written another time.
            if store.set(&key, &value, store.get(&key).version).is_ok() {
                self.changed.remove(&page);
            }
        }
    }

    /// Has as many pages as suit so many requests: all are told anew where that changes.
    fn suit(&mut self, running: usize) {
        let before = self.pages;
        while running > self.pages.saturating_mul(RUNS_OF_PAGE) && self.pages < MOST_PAGES {
            self.pages = self.pages.saturating_mul(2);
        }
        // Not at once where there are fewer: their number may go to and fro.
        while running.saturating_mul(4) < self.pages.saturating_mul(RUNS_OF_PAGE) && self.pages > 1 {
            self.pages >>= 1;
        }
        if self.pages != before {
            self.changed = (0..self.pages).collect();
        }
    }

    /// Chooses the pages to write: the first one, which says how many there are, and others in
    /// turn.
    fn choose(&mut self, most: usize) -> Vec<usize> {
        let first = self.changed.first().copied().filter(|page| *page == 0);
        let (before, after) = (self.changed.range(1..self.next.max(1)), self.changed.range(self.next.max(1)..));
        let others = after.chain(before).copied();
        let chosen: Vec<usize> = first.into_iter().chain(others).take(most).collect();
        self.next = chosen.last().map_or(0, |last| last.saturating_add(1));
        chosen
    }
}

/// Returns `true` once so much time has passed.
pub(super) fn is_over(since: Option<Instant>, span: Duration, now: Instant) -> bool {
    since.is_none_or(|since| now.since(since) >= span)
}
