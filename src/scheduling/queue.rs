//! The requests that wait in one VM, most urgent first.
//!
//! The order is (late or not, latest start, arrival). Whether a request is late changes with time alone, so it is not
//! stored: requests are kept by latest start, and those before `now` are the late ones. Requests with one
//! [`Footprint`] form a lane; only the first few of each lane can matter to a pass, which bounds it: the first of those
//! late, of those in time, and for each slower deployment of those still in time there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fnv::FnvHashMap;
use serde::{Deserialize, Serialize};

use super::request::{Footprint, Request, RequestId};
use super::time::Instant;

/// What becomes of requests that cannot meet their objective any more.
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
    /// Until when it can start and still meet its objective.
    pub latest_start: Instant,
    /// First come first served among equals.
    pub arrival: Instant,
}

/// Waiting requests.
#[derive(Debug, Default)]
pub struct Queue {
    late_policy: LatePolicy,
    max_wait: Duration,
    waiting: FnvHashMap<RequestId, Waiting>,
    lanes: BTreeMap<Footprint, Lane>,
    by_arrival: BTreeSet<(Instant, RequestId)>,
    by_latest_start: BTreeSet<(Instant, RequestId)>,
    by_aging: BTreeSet<(Instant, RequestId)>,
    infeasible: BTreeSet<RequestId>,
    work: Duration,
}

#[derive(Debug)]
struct Waiting {
    request: Request,
    ages_at: Instant,
}

/// Requests with one footprint.
#[derive(Debug)]
struct Lane {
    /// By how much a request must be early to be in time on one of its deployments, each once; zero is among them.
    leads: BTreeSet<Duration>,
    places: BTreeSet<Place>,
}

/// (latest start, arrival, id): a request's place in its lane.
type Place = (Instant, Instant, RequestId);

// === impl Queue ===

impl Queue {
    /// An empty queue in which nothing waits longer than `max_wait`.
    pub fn new(late_policy: LatePolicy, max_wait: Duration) -> Self {
        Self { late_policy, max_wait, ..Self::default() }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How long one pod would take for all that waits.
    pub fn work(&self) -> Duration {
        self.work
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds a request.
    pub fn push(&mut self, request: Request) {
        let id = request.arrival.id;
        self.remove(id);
        let start = effective_start(&request);
        let lane = self.lanes.entry(request.footprint()).or_insert_with(|| Lane::of(&request));
        lane.places.insert((start, request.arrival.at, id));
        self.by_arrival.insert((request.arrival.at, id));
        self.by_latest_start.insert((start, id));
        let ages_at = request.arrival.at.after(self.patience(&request));
        self.by_aging.insert((ages_at, id));
        if request.infeasible {
            self.infeasible.insert(id);
        }
        self.work = self.work.saturating_add(request.work());
        self.waiting.insert(id, Waiting { request, ages_at });
    }

    /// Takes a request out: it was placed, refused or its client left.
    pub fn remove(&mut self, id: RequestId) -> Option<Request> {
        let Waiting { request, ages_at } = self.waiting.remove(&id)?;
        let start = effective_start(&request);
        let footprint = request.footprint();
        if let Some(lane) = self.lanes.get_mut(&footprint) {
            lane.places.remove(&(start, request.arrival.at, id));
            if lane.places.is_empty() {
                self.lanes.remove(&footprint);
            }
        }
        self.by_arrival.remove(&(request.arrival.at, id));
        self.by_latest_start.remove(&(start, id));
        self.by_aging.remove(&(ages_at, id));
        self.infeasible.remove(&id);
        self.work = self.work.saturating_sub(request.work());
        Some(request)
    }

    /// Takes all out, to be assessed anew.
    pub fn drain(&mut self) -> Vec<Request> {
        let ids: Vec<RequestId> = self.by_arrival.iter().map(|(_, id)| *id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// A waiting request.
    pub fn get(&self, id: RequestId) -> Option<&Request> {
        self.waiting.get(&id).map(|waiting| &waiting.request)
    }

    /// How urgent a request is at `now`.
    pub fn urgency(&self, request: &Request, now: Instant) -> Urgency {
        Urgency {
            late: self.late_policy == LatePolicy::Last && request.is_late(now),
            latest_start: effective_start(request),
            arrival: request.arrival.at,
        }
    }

    /// Of each lane the first `depth` of those late, of those in time, and of those in time on each deployment, most
    /// urgent first. A request that has aged comes before all others.
    pub fn candidates(&self, now: Instant, depth: usize) -> Vec<&Request> {
        let first = self.lanes.values().flat_map(|lane| lane.first(now, depth));
        let mut candidates: Vec<&Request> = first.filter_map(|id| self.get(id)).collect();
        let aged = self.aged(now).map(|(request, _)| request.arrival.id);
        candidates.retain(|request| Some(request.arrival.id) != aged);
        candidates.sort_by_key(|request| (self.urgency(request, now), request.arrival.id));
        candidates.dedup_by_key(|request| request.arrival.id);
        if let Some(request) = aged.and_then(|id| self.get(id)) {
            candidates.insert(0, request);
        }
        candidates
    }

    /// The one that has waited longest beyond its patience and so may reserve a pod, and since when it may.
    pub fn aged(&self, now: Instant) -> Option<(&Request, Instant)> {
        let (since, id) = self.by_aging.first().filter(|(at, _)| *at <= now)?;
        Some((self.get(*id)?, *since))
    }

    /// Starts the patience of those that have become late anew: in overload nearly all are late, and if they kept the
    /// first places that they aged into, only requests that have failed already would be served.
    pub fn settle(&mut self, now: Instant) {
        let quarter = self.max_wait.mul_f64(0.25);
        while let Some((at, id)) = self.by_aging.first().copied().filter(|(at, _)| *at <= now) {
            let Some(waiting) = self.waiting.get_mut(&id) else { break };
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
    pub fn expired(&self, now: Instant) -> Vec<RequestId> {
        let Some(before) = now.as_micros().checked_sub(micros(self.max_wait)) else { return Vec::new() };
        let end = (Instant::from_micros(before), RequestId(0));
        self.by_arrival.range(..end).map(|(_, id)| *id).collect()
    }

    /// Those that became late and are to be refused for it.
    pub fn to_reject(&self, now: Instant) -> Vec<RequestId> {
        if self.late_policy != LatePolicy::Reject {
            return Vec::new();
        }
        self.by_latest_start.range(..(now, RequestId(0))).map(|(_, id)| *id).collect()
    }

    /// Those that no deployment could serve in time, even if it were idle.
    pub fn infeasible(&self) -> impl Iterator<Item = RequestId> {
        self.infeasible.iter().copied()
    }

    /// How long a request waits before it may reserve a pod: half its slack while that is less than a quarter of
    /// `max_wait`, since at its full slack the reserved pod would drain too late for it; hopeless ones that quarter.
    fn patience(&self, request: &Request) -> Duration {
        let quarter = self.max_wait.mul_f64(0.25);
        let half_slack = request.original_slack().mul_f64(0.5);
        if half_slack.is_zero() { quarter } else { quarter.min(half_slack) }
    }
}

// === impl Lane ===

impl Lane {
    fn of(request: &Request) -> Self {
        let leads = request.leads().flatten().chain([Duration::ZERO]).collect();
        Self { leads, places: BTreeSet::new() }
    }

    /// The first of those late, and of those in time on each deployment; some of them twice.
    fn first(&self, now: Instant, depth: usize) -> impl Iterator<Item = RequestId> {
        let pivot = |at: Instant| (at, Instant::ZERO, RequestId(0));
        let late = self.places.range(..pivot(now)).take(depth);
        let in_time = self.leads.iter().flat_map(move |lead| self.places.range(pivot(now.after(*lead))..).take(depth));
        late.chain(in_time).map(|(_, _, id)| *id)
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

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
