//! The one table of the requests of a VM: each waits or runs, and has one entry.
//!
//! What a request takes follows from its entry: its place in the queue while it waits; while it
//! runs its load on a pod and its run among those there. Each is taken as the entry enters its
//! stage and given back as it leaves it, here and nowhere else. Queue, sums and lists hold numbers
//! of requests and no more.

mod pod_runs;
mod running;
mod table;

use std::collections::BTreeSet;
use std::ops::Bound;
use std::rc::Rc;
use std::time::Duration;

pub use self::pod_runs::{PodRuns, RunKey};
use self::running::Charges;
pub use self::running::RunningRequest;
pub(super) use self::table::{Table, WaitingRequest};
use super::latency_model::PodObservation;
use super::load::Load;
use super::pod_load::PodLoads;
use super::pool::{DeploymentId, PodId, Pool};
use super::queue::{LatePolicy, Queue, Urgency};
use super::request::{Request, RequestId};
use super::run::{Progress, Run};
use super::time::Instant;
use super::view::OnPods;

/// See the module.
#[derive(Debug)]
pub struct Requests {
    table: Table,
    queue: Queue,
    /// Those that run, in their order, which is that of sums over them in all VMs and simulations.
    running: BTreeSet<RequestId>,
    charges: Charges,
    pod_runs: PodRuns,
    /// The request that was charged last by a new pool's profiles, while that goes on; none before
    /// the first.
    recharged: Option<Option<RequestId>>,
}

// === impl Requests ===

impl Requests {
    /// An empty table in which nothing waits longer than `max_wait`.
    pub fn new(late_policy: LatePolicy, max_wait: Duration) -> Self {
        Self {
            table: Table::default(),
            queue: Queue::new(late_policy, max_wait),
            running: BTreeSet::new(),
            charges: Charges::default(),
            pod_runs: PodRuns::default(),
            recharged: None,
        }
    }

    /// A new pool is in force: all that waits is to be judged anew before a round looks at it, and
    /// all that runs to be charged anew.
    pub fn outdate(&mut self) {
        self.queue.outdate();
        self.recharged = Some(None);
    }

    // Those that wait.

    /// Adds a request that waits.
    pub fn push(&mut self, request: Request) {
        self.take_waiting(request.arrival.id);
        let waiting = self.queue.add(request);
        self.table.wait(waiting);
    }

    /// Takes a request out that waits: it is placed or refused, or its client left.
    pub fn take_waiting(&mut self, id: RequestId) -> Option<Request> {
        let waiting = self.table.take_waiting(id)?;
        self.queue.remove(&waiting);
        Some(waiting.request)
    }

    /// Takes the next one out that is to be judged anew.
    pub fn take_outdated(&mut self) -> Option<Request> {
        let id = self.queue.next_outdated(&self.table)?;
        self.take_waiting(id)
    }

    /// Returns `true` if some that wait are to be judged anew.
    pub fn is_outdated(&self) -> bool {
        self.queue.is_outdated()
    }

    /// Returns a request that waits.
    pub fn waiting(&self, id: RequestId) -> Option<&Request> {
        self.table.waiting(id).map(|waiting| &waiting.request)
    }

    /// Number of requests that wait.
    pub fn waiting_count(&self) -> usize {
        self.queue.len()
    }

    /// Returns `true` if any waits.
    pub fn any_waits(&self) -> bool {
        self.queue.len() > 0
    }

    /// Time that one pod would take for all that waits.
    pub fn waiting_work(&self) -> Duration {
        self.queue.work()
    }

    /// Returns the urgency of a request at `now`.
    pub fn urgency(&self, request: &Request, now: Instant) -> Urgency {
        self.queue.urgency(request, now)
    }

    /// Returns the most urgent of all that wait; one that has aged comes before all others.
    pub fn head(&self, now: Instant) -> Option<&Request> {
        self.queue.head(&self.table, now)
    }

    /// Returns the one that has waited longest beyond its patience and so may reserve a pod, and
    /// since when it may.
    pub fn aged(&self, now: Instant) -> Option<(&Request, Instant)> {
        self.queue.aged(&self.table, now)
    }

    /// Starts the patience of those that have become late anew.
    pub fn settle(&mut self, now: Instant) {
        self.queue.settle(&mut self.table, now);
    }

    /// Returns the requests that a round looks at, most urgent first: no more than some `most`.
    /// Over rounds all that wait come up.
    pub fn offer(&mut self, now: Instant, most: usize) -> Vec<RequestId> {
        self.queue.offer(&self.table, now, most)
    }

    /// Returns those that have waited longer than they may.
    pub fn expired(&self, now: Instant) -> impl Iterator<Item = RequestId> {
        self.queue.expired(now)
    }

    /// Returns `true` if a request has waited longer than it may.
    pub fn is_expired(&self, request: &Request, now: Instant) -> bool {
        self.queue.is_expired(request, now)
    }

    /// Returns those that became late and are to be refused for it.
    pub fn to_reject(&self, now: Instant) -> impl Iterator<Item = RequestId> {
        self.queue.to_reject(now)
    }

    /// Returns those that no deployment could serve in time, even if it were idle.
    pub fn infeasible(&self) -> impl Iterator<Item = RequestId> {
        self.queue.infeasible()
    }

    // Those that run.

    /// Adds a request that runs from now on.
    pub fn start(&mut self, run: RunningRequest) {
        let id = run.arrival.id;
        if let Some(seen) = &run.seen {
            self.pod_runs.put((None, id), run.pod, seen);
        }
        self.charges.charge(&run);
        self.running.insert(id);
        self.table.run(run);
    }

    /// Takes a request out that ran, with all that it took.
    pub fn end(&mut self, id: RequestId) -> Option<RunningRequest> {
        let run = self.table.take_running(id)?;
        self.running.remove(&id);
        self.charges.release(&run);
        self.pod_runs.take((None, id), run.pod);
        Some(run)
    }

    /// The streamed answer to a request that runs has so many tokens now; none yet where that is 0.
    /// Returns its pod and what it shows of that.
    pub fn progress(
        &mut self,
        id: RequestId,
        tokens: u32,
        now: Instant,
    ) -> Option<(PodId, Option<&mut PodObservation>)> {
        let run = self.table.running_mut(id)?;
        if let Some(seen) = &mut run.seen {
            let first_token_at = match seen.progress {
                Progress::Decoding { first_token_at, .. } => first_token_at,
                Progress::Unseen | Progress::Prefilling => now,
            };
            seen.progress = match tokens {
                0 => Progress::Prefilling,
                _ => Progress::Decoding { first_token_at, tokens, seen_at: now },
            };
            self.pod_runs.put((None, id), run.pod, seen);
        }
        Some((run.pod, run.observation.as_mut()))
    }

    /// Returns a request that runs.
    pub fn running(&self, id: RequestId) -> Option<&RunningRequest> {
        self.table.running(id)
    }

    /// Returns the numbers of those that run, in their order.
    pub fn running_ids(&self) -> impl ExactSizeIterator<Item = RequestId> {
        self.running.iter().copied()
    }

    /// Number of requests that run.
    pub fn running_count(&self) -> usize {
        self.running.len()
    }

    /// Returns one that runs as policies may know it, and where.
    pub fn seen(&self, id: RequestId) -> Option<(RequestId, PodId, DeploymentId, &Run)> {
        let run = self.table.running(id)?;
        Some((id, run.pod, run.deployment, run.seen.as_ref()?))
    }

    /// Charges some of what runs by a new pool's profiles, no more than `most`. Returns `true` if
    /// that completes it.
    pub fn recharge(&mut self, most: usize, load: impl Fn(&RunningRequest) -> Load) -> bool {
        let Some(last) = self.recharged else { return false };
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.running.range((from, Bound::Unbounded));
        let mut last = None;
        for id in rest.by_ref().take(most) {
            if let Some(run) = self.table.running_mut(*id) {
                let load = load(run);
                self.charges.recharge(run, load);
            }
            last = Some(*id);
        }
        self.recharged = rest.next().and(last).map(Some);
        self.recharged.is_none()
    }

    /// Returns the load of what runs on the pods of a deployment.
    pub fn load_on(&self, deployment: DeploymentId) -> PodLoads {
        self.charges.of(deployment).cloned().unwrap_or_default()
    }

    /// Returns the load of what runs, by deployment.
    pub fn loads(&self) -> impl Iterator<Item = (DeploymentId, &PodLoads)> {
        self.charges.iter()
    }

    // What runs on each pod, other VMs' requests among it.

    /// Returns the runs on each pod of the pool that [`Self::meet_pool`] was told last.
    pub fn on_pods(&self) -> OnPods {
        self.pod_runs.runs()
    }

    /// Takes a new pool, and what other VMs run on it.
    pub fn meet_pool<'r>(&mut self, pool: Rc<Pool>, others: impl Iterator<Item = (RunKey, PodId, &'r Run)>) {
        let mut pod_runs = PodRuns::new(pool);
        let seen = self.running_ids().filter_map(|id| self.seen(id));
        pod_runs.extend(seen.map(|(id, pod, _, run)| ((None, id), pod, run)));
        pod_runs.extend(others);
        self.pod_runs = pod_runs;
    }

    /// Returns what runs on each pod, to note what other VMs run.
    pub fn on_pods_mut(&mut self) -> &mut PodRuns {
        &mut self.pod_runs
    }

    /// Returns the order of those that wait.
    #[cfg(test)]
    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }
}
