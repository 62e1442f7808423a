//! The filter's own core as a gateway: a dispatcher and a learner for each of Envoy's workers, over one shared memory.
//!
//! What the filter does around the core is done here alike, and when it does it: the compiled filter, on a host that keeps the same
//! times, comes to the same decisions. The schedule is this:
//!
//! - All workers start together. Requests go to them in turn.
//! - A timer fires [`TICK_LAG`] later than was asked for. The first is asked for 10 ms after the start; then there is one each
//!   10 ms while something waits in the worker, and each 250 ms otherwise. It is set anew after it fired, and whenever its
//!   period changes. A worker's very first request is such a change: until its body is seen, the worker is busy.
//! - On a tick a worker beats its heart, looks at its queue, and, if 250 ms have passed since, exchanges what was learned.
//! - Each message makes its worker look at its queue [`DELIVERY`] after it was sent.
//! - Estimates are made at arrival; a worker begins with what others have learned by its first request.
//! - What goes on or is refused because of an arrival does so before that itself, which the proxy sees to last.
//! - At one moment, answers go on first, then comes what the workers do by themselves in the order in which it was set, then arrivals.

mod agenda;
mod filter;
mod port;
mod worker;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use slo_router::dispatcher::Action;
use slo_router::scheduling::policies::{PolicyKind, PolicyName};
use slo_router::scheduling::slo::Outcome;
use slo_router::scheduling::time::Instant;
use slo_router::shared::Keys;
use slo_router::shared::pool_state::PoolState;
use slo_router::shared::store::read;

use self::agenda::{Agenda, Task};
pub use self::filter::Filter;
use self::port::Mail;
use self::worker::Worker;
pub use self::worker::characters;
use crate::gateway::{Gateway, RequestNumber, Verdict};
use crate::scenario::Demand;

/// From sending a message until its worker looks: measured in Envoy, 40 to 140 µs.
const DELIVERY: Duration = Duration::from_micros(100);

/// Lag of a timer behind the time asked for: measured in Envoy.
const TICK_LAG: Duration = Duration::from_millis(2);

/// Knowledge of a gateway about how long answers will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lengths {
    /// Estimates that the filter learns from the answers so far.
    Learned,
    /// The truth. No filter can; it shows what better estimates could bring.
    True,
}

/// See the module.
pub struct Shipped {
    policy: PolicyName,
    workers: Vec<Worker>,
    mail: Mail,
    agenda: Agenda,
    pods: HashMap<SocketAddr, usize>,
    keys: Keys,
}

// === impl Shipped ===

impl Shipped {
    /// So many workers of an Envoy with `filter`, from `now` on. Requests ask for `policy`.
    pub fn new(filter: &Filter, policy: PolicyName, lengths: Lengths, workers: usize, seed: u64, now: Instant) -> Self {
        let pool = Rc::new(filter.pool());
        let mail = Mail::default();
        let worker = |(number, seed)| Worker::new(filter, &pool, mail.port(number), (policy, lengths), seed, now);
        let mut shipped = Self {
            policy,
            workers: seeds(seed).take(workers).enumerate().map(worker).collect(),
            pods: pool.pods().iter().enumerate().map(|(position, pod)| (pod.address, position)).collect(),
            mail,
            agenda: Agenda::default(),
            keys: Keys::of(&filter.config.pool),
        };
        shipped.note_tasks(now);
        shipped
    }

    fn worker_of(&mut self, id: RequestNumber) -> &mut Worker {
        let count = self.workers.len();
        &mut self.workers[id as usize % count]
    }

    /// Notes what follows from a call, and translates what a dispatcher decided.
    fn follow_up(&mut self, actions: Vec<Action>, now: Instant) -> Vec<Verdict> {
        self.note_tasks(now);
        let verdict = |action: Action| match action {
            Action::Forward(id, placement) => Verdict::Place(id.0, self.pods[&placement.address], placement.load),
            Action::Refuse(id, reason, _) => Verdict::Refuse(id.0, reason),
        };
        actions.into_iter().map(verdict).collect()
    }

    /// Messages that were sent, and timers that were set.
    fn note_tasks(&mut self, now: Instant) {
        while let Some(worker) = self.mail.take() {
            self.agenda.add(now.after(DELIVERY), Task::Look(worker));
        }
        for (number, worker) in self.workers.iter_mut().enumerate() {
            if let Some(period) = worker.take_newly_set() {
                self.agenda.add(now.after(period + TICK_LAG), Task::Tick(number, worker.timer()));
            }
        }
    }
}

/// Returns the seed of each worker's generator, in a run of this seed.
pub fn seeds(seed: u64) -> impl Iterator<Item = u64> {
    let mut seeds = fastrand::Rng::with_seed(seed);
    std::iter::from_fn(move || Some(seeds.u64(..)))
}

impl Gateway for Shipped {
    fn arrive(&mut self, id: RequestNumber, demand: &Demand, now: Instant) -> Vec<Verdict> {
        let actions = self.worker_of(id).arrive(id, demand, now);
        let mut verdicts = self.follow_up(actions, now);
        verdicts.sort_by_key(|verdict| verdict.request() == id);
        verdicts
    }

    fn token(&mut self, id: RequestNumber, output_tokens: u32, now: Instant) {
        self.worker_of(id).token(id, output_tokens, now);
    }

    fn finish(&mut self, id: RequestNumber, outcome: Outcome, now: Instant) {
        self.worker_of(id).finish(id, outcome, now);
        self.note_tasks(now);
    }

    fn next_event_at(&self) -> Option<Instant> {
        self.agenda.next_at()
    }

    fn advance(&mut self, now: Instant) -> Vec<Verdict> {
        let actions = match self.agenda.take_due(now) {
            Some(Task::Look(worker)) => self.workers[worker].look_again(now),
            Some(Task::Tick(worker, timer)) if timer == self.workers[worker].timer() => self.workers[worker].tick(now),
            Some(Task::Tick(..)) | None => Vec::new(),
        };
        self.follow_up(actions, now)
    }

    fn keeps_capacity(&self) -> bool {
        self.policy.kind == PolicyKind::Pull
    }

    fn leftovers(&mut self, now: Instant) -> Option<String> {
        // A column whose writing failed is written again with the next heartbeat.
        self.workers.iter_mut().for_each(|worker| drop(worker.tick(now)));
        let held: Vec<_> = self.workers.iter().map(Worker::holds).collect();
        if held.iter().any(|held| *held != (0, 0)) {
            return Some(format!("the workers hold (waiting, running) {held:?}"));
        }
        let memory = self.mail.memory();
        let (state, _): (PoolState, u32) = read(memory, &self.keys.pool_state());
        let sum = state.running(now);
        (!sum.is_empty()).then(|| format!("the shared state holds {sum:?}"))
    }
}
