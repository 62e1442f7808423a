//! Order of the requests that wait in one VM, most urgent first. The requests themselves are in the
//! [table](super::requests).
//!
//! The order is (late or not, latest start, arrival). Whether a request is late changes with time
//! alone, so it is not stored: requests are kept by latest start, and those before `now` are the
//! late ones. Requests with one [`Footprint`] form a [`Lane`], which says which of them a round
//! looks at. A round looks at so many requests and no more: where there are too many lanes for
//! that, at the most urgent of all, and at the lanes in turn.

mod lane;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::lane::{Lane, Place, place_at};
use super::request::{Footprint, Request, RequestId};
use super::requests::{Table, WaitingRequest};
use super::time::Instant;

/// A lane is looked at in earnest, or not at all this time.
const LEAST_OF_LANE: usize = 2;
/// Requests that start to be patient anew in one call; what is more follows with the next.
const MOST_SETTLED: usize = 64;
/// Requests of one lane that a round looks at.
const MOST_OF_LANE: usize = 40;

/// Treatment of requests that cannot meet their objective any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LatePolicy {
    /// They go behind those that still can.
    #[default]
    Last,
    /// They keep their place, so the most overdue goes first (AIBrix).
    First,
    /// They are refused.
    Reject,
}

/// Position in the queue: smaller is more urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Urgency {
    /// Late requests go behind the others, unless configured otherwise.
    pub late: bool,
    /// Latest instant at which it can start and still meet its objective.
    pub latest_start: Instant,
    /// First come first served among equals.
    pub arrival: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Queue {
    late_policy: LatePolicy,
    max_wait: Duration,
    lanes: BTreeMap<Footprint, Lane>,
    /// The lane that was looked at last, where there are too many for one round.
    turn: Option<Footprint>,
    /// Lanes from before the pool changed: their requests are still to be judged anew.
    outdated: Vec<Lane>,
    /// Counts the changes of the pool.
    judged_by: u64,
    by_arrival: BTreeSet<(Instant, RequestId)>,
    by_latest_start: BTreeSet<Place>,
    by_aging: BTreeSet<(Instant, RequestId)>,
    infeasible: BTreeSet<RequestId>,
    work: Duration,
}

// === impl Queue ===

impl Queue {
    /// An empty queue in which nothing waits longer than `max_wait`.
    pub(super) fn new(late_policy: LatePolicy, max_wait: Duration) -> Self {
        Self { late_policy, max_wait, ..Self::default() }
    }

    /// Number of requests that wait.
    pub(super) fn len(&self) -> usize {
        self.by_arrival.len()
    }

    /// Time that one pod would take for all that waits.
    pub(super) fn work(&self) -> Duration {
        self.work
    }

    /// Takes a request into the order. Returns its entry, for the table.
    pub(super) fn add(&mut self, request: Request) -> WaitingRequest {
        let id = request.arrival.id;
        let start = effective_start(&request);
        let lane = self.lanes.entry(request.footprint()).or_insert_with(|| Lane::of(&request));
        lane.insert(&request, start);
        self.by_arrival.insert((request.arrival.at, id));
        self.by_latest_start.insert((start, request.arrival.at, id));
        let ages_at = request.arrival.at.after(self.patience(&request));
        self.by_aging.insert((ages_at, id));
        if request.infeasible {
            self.infeasible.insert(id);
        }
        self.work = self.work.saturating_add(request.work());
        WaitingRequest { request, ages_at, judged_by: self.judged_by }
    }

    /// Takes a request out of the order.
    pub(super) fn remove(&mut self, WaitingRequest { request, ages_at, .. }: &WaitingRequest) {
        let id = request.arrival.id;
        let start = effective_start(request);
        let footprint = request.footprint();
        if let Some(lane) = self.lanes.get_mut(&footprint) {
            lane.remove((start, request.arrival.at, id));
            if lane.is_empty() {
                self.lanes.remove(&footprint);
            }
        }
        self.by_arrival.remove(&(request.arrival.at, id));
        self.by_latest_start.remove(&(start, request.arrival.at, id));
        self.by_aging.remove(&(*ages_at, id));
        self.infeasible.remove(&id);
        self.work = self.work.saturating_sub(request.work());
    }

    /// The pool changed: all that waits is to be judged anew before a round looks at it.
    pub(super) fn outdate(&mut self) {
        self.judged_by = self.judged_by.wrapping_add(1);
        self.outdated.extend(std::mem::take(&mut self.lanes).into_values());
    }

    /// Returns the next one that is to be judged anew.
    pub(super) fn next_outdated(&mut self, table: &Table) -> Option<RequestId> {
        loop {
            let lane = self.outdated.last_mut()?;
            match lane.pop() {
                None => drop(self.outdated.pop()),
                // Those that left meanwhile are still in their lanes.
                Some(id) if table.waiting(id).is_some_and(|waiting| waiting.judged_by != self.judged_by) => {
                    return Some(id);
                }
                Some(_) => {}
            }
        }
    }

    /// Returns `true` if some are to be judged anew.
    pub(super) fn is_outdated(&self) -> bool {
        !self.outdated.is_empty()
    }

    fn is_judged(&self, table: &Table, id: RequestId) -> bool {
        table.waiting(id).is_some_and(|waiting| waiting.judged_by == self.judged_by)
    }

    /// Returns the urgency of a request at `now`.
    pub(super) fn urgency(&self, request: &Request, now: Instant) -> Urgency {
        Urgency {
            late: self.late_policy == LatePolicy::Last && request.is_late(now),
            latest_start: effective_start(request),
            arrival: request.arrival.at,
        }
    }

    /// The most urgent of all that wait; one that has aged comes before all others.
    pub(super) fn head<'t>(&self, table: &'t Table, now: Instant) -> Option<&'t Request> {
        if let Some((request, _)) = self.aged(table, now) {
            return Some(request);
        }
        let first = || self.by_latest_start.first();
        let in_time = || self.by_latest_start.range(place_at(now)..).next();
        let (_, _, id) = if self.late_policy == LatePolicy::Last { in_time().or_else(first) } else { first() }?;
        Some(&table.waiting(*id)?.request)
    }

    /// The requests that a round looks at, most urgent first: no more than some `most`. Over rounds
    /// all that wait come up.
    pub(super) fn offer(&mut self, table: &Table, now: Instant, most: usize) -> Vec<RequestId> {
        let lanes = self.lanes.len().min(most.checked_div(LEAST_OF_LANE).unwrap_or_default()).max(1);
        let each = most.checked_div(lanes).unwrap_or_default().min(MOST_OF_LANE);
        let late_first = self.late_policy == LatePolicy::First;
        let mut offered: Vec<RequestId> = Vec::with_capacity(most);
        if lanes >= self.lanes.len() {
            for lane in self.lanes.values_mut() {
                lane.offer(now, late_first, each, &mut offered);
            }
        } else {
            let half = most >> 1;
            let in_time = self.by_latest_start.range(place_at(now)..).take(half);
            let late = self.by_latest_start.range(..place_at(now)).take(LEAST_OF_LANE);
            offered.extend(in_time.chain(late).map(|(_, _, id)| *id));
            for _ in 0..lanes >> 1 {
                let after = self.turn.map_or(Bound::Unbounded, Bound::Excluded);
                let next = self.lanes.range((after, Bound::Unbounded)).next().or_else(|| self.lanes.iter().next());
                self.turn = next.map(|(footprint, _)| *footprint);
                if let Some(lane) = self.turn.and_then(|turn| self.lanes.get_mut(&turn)) {
                    lane.offer(now, late_first, each, &mut offered);
                }
            }
        }
        let aged = self.aged(table, now).map(|(request, _)| request.arrival.id);
        offered.extend(aged);
        offered.retain(|id| self.is_judged(table, *id));
        offered.sort_unstable();
        offered.dedup();
        let urgency = |id: &RequestId| table.waiting(*id).map(|waiting| self.urgency(&waiting.request, now));
        offered.sort_by_cached_key(|id| (Some(*id) != aged, urgency(id), *id));
        offered
    }

    /// The one that has waited longest beyond its patience and so may reserve a pod, and since when
    /// it may.
    pub(super) fn aged<'t>(&self, table: &'t Table, now: Instant) -> Option<(&'t Request, Instant)> {
        let (since, id) = self.by_aging.first().filter(|(at, id)| *at <= now && self.is_judged(table, *id))?;
        Some((&table.waiting(*id)?.request, *since))
    }

    /// Starts the patience of those that have become late anew: in overload nearly all are late,
    /// and if they kept the first places that they aged into, only requests that have failed
    /// already would be served.
    pub(super) fn settle(&mut self, table: &mut Table, now: Instant) {
        let quarter = self.max_wait.mul_f64(0.25);
        for _ in 0..MOST_SETTLED {
            let Some((at, id)) = self.by_aging.first().copied().filter(|(at, _)| *at <= now) else { break };
            let Some(waiting) = table.waiting_mut(id) else { break };
            let late_since = effective_start(&waiting.request);
            if !waiting.request.is_late(now) || at > late_since {
                break;
            }
            self.by_aging.remove(&(at, id));
            waiting.ages_at = late_since.after(quarter);
            self.by_aging.insert((waiting.ages_at, id));
        }
    }

    /// Those that have waited longer than `max_wait`.
    pub(super) fn expired(&self, now: Instant) -> impl Iterator<Item = RequestId> {
        let end = (now.before(self.max_wait), RequestId(0));
        self.by_arrival.range(..end).map(|(_, id)| *id)
    }

    /// Returns `true` if a request has waited longer than `max_wait`.
    pub(super) fn is_expired(&self, request: &Request, now: Instant) -> bool {
        request.arrival.at < now.before(self.max_wait)
    }

    /// Those that became late and are to be refused for it.
    pub(super) fn to_reject(&self, now: Instant) -> impl Iterator<Item = RequestId> {
        let end = if self.late_policy == LatePolicy::Reject { now } else { Instant::ZERO };
        self.by_latest_start.range(..place_at(end)).map(|(_, _, id)| *id)
    }

    /// Those that no deployment could serve in time, even if it were idle.
    pub(super) fn infeasible(&self) -> impl Iterator<Item = RequestId> {
        self.infeasible.iter().copied()
    }

    /// Returns the time that a request waits before it may reserve a pod: half its slack while that
    /// is less than a quarter of `max_wait`, since at its full slack the reserved pod would drain
    /// too late for it; hopeless ones that quarter.
    fn patience(&self, request: &Request) -> Duration {
        let quarter = self.max_wait.mul_f64(0.25);
        let half_slack = request.original_slack().mul_f64(0.5);
        if half_slack.is_zero() { quarter } else { quarter.min(half_slack) }
    }
}

/// An infeasible request was late before it came.
fn effective_start(request: &Request) -> Instant {
    if request.infeasible {
        request.latest_start.min(request.arrival.at.before(Duration::from_micros(1)))
    } else {
        request.latest_start
    }
}

#[cfg(test)]
mod tests;
