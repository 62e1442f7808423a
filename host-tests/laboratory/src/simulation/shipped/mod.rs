//! The filter's own session layer as a gateway: what is compiled to `.wasm`, for each of Envoy's workers, on a host in virtual time.
//!
//! Requests come as clients send them and answers as servers give them: headers, bodies, events. The compiled filter, on a host that
//! keeps the same times, comes to the same decisions. The schedule is this:
//!
//! - All workers start together. Requests go to them in turn.
//! - A timer fires 2 ms later than was asked for. It is set anew after it fired, and whenever the filter asks for a period.
//! - Each message reaches its worker 100 µs after it was sent.
//! - A request's body comes at once, in one piece. A response's headers come with its first token, and each token in a chunk of its own.
//! - What goes on or is refused because of an arrival does so before that itself, which the proxy sees to last.
//! - At one moment, answers go on first, then comes what the workers do by themselves in the order in which it was set, then arrivals.

mod agenda;
mod conversations;
pub mod exchange;
mod filter;
mod host;
mod process;
mod vm;
mod wording;

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use slo_router::scheduling::policies::{PolicyKind, PolicyName};
use slo_router::scheduling::slo::Outcome;
use slo_router::scheduling::time::Instant;

use self::agenda::Task;
use self::conversations::Conversations;
pub use self::filter::Filter;
use self::host::Decision;
use self::process::Process;
use self::vm::Vm;
use crate::simulation::gateway::{Gateway, RequestNumber, Verdict};
use crate::simulation::scenario::Demand;

/// Longer than from one survey of the gauges to the next.
const SETTLING: Duration = Duration::from_secs(1);

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
    lengths: Lengths,
    routes_by_prefixes: bool,
    process: Rc<Process>,
    workers: Vec<Vm>,
    /// Position of each pod, by its address.
    pods: HashMap<String, usize>,
    conversations: Conversations,
}

// === impl Shipped ===

impl Shipped {
    /// So many workers of an Envoy with `filter`, from `now` on. Requests are placed by `policy`.
    pub fn new(filter: &Filter, policy: PolicyName, lengths: Lengths, workers: usize, seed: u64, now: Instant) -> Self {
        let process = Rc::new(Process::new(now));
        let configuration = filter.json(policy);
        let worker = |(number, seed)| Vm::new(&process, number, seed, &configuration);
        Self {
            policy,
            lengths,
            routes_by_prefixes: filter.routes_by_prefixes(policy),
            workers: seeds(seed).take(workers).enumerate().map(worker).collect(),
            pods: filter.pods().enumerate().map(|(position, pod)| (pod.to_string(), position)).collect(),
            process,
            conversations: Conversations::default(),
        }
    }

    fn number_of(&self, id: RequestNumber) -> usize {
        id as usize % self.workers.len()
    }

    fn worker_of(&mut self, id: RequestNumber) -> &mut Vm {
        let worker = self.number_of(id);
        &mut self.workers[worker]
    }

    /// Returns what a worker's filter has decided.
    fn verdicts(&mut self, worker: usize) -> Vec<Verdict> {
        let worker = &mut self.workers[worker];
        let decisions = worker.take_decisions();
        let verdict = |decision| match decision {
            Decision::Forward(id) => {
                let (pod, load) = worker.forward(id);
                Verdict::Place(id, self.pods[&pod], load)
            }
            Decision::Refuse(id, reason) => {
                worker.refuse(id);
                Verdict::Refuse(id, reason)
            }
        };
        decisions.into_iter().map(verdict).collect()
    }
}

/// Returns the seed of each worker's generator, in a run of this seed.
pub fn seeds(seed: u64) -> impl Iterator<Item = u64> {
    let mut seeds = fastrand::Rng::with_seed(seed);
    std::iter::from_fn(move || Some(seeds.u64(..)))
}

impl Gateway for Shipped {
    fn arrive(&mut self, id: RequestNumber, demand: &Demand, now: Instant) -> Vec<Verdict> {
        self.process.now.set(now);
        let true_output_tokens = (self.lengths == Lengths::True).then_some(demand.arrival.output_tokens);
        let body = exchange::body_behind(demand, &self.conversations.take_turn(&demand.arrival));
        self.worker_of(id).arrive(id, demand, body, true_output_tokens);
        let mut verdicts = self.verdicts(self.number_of(id));
        verdicts.sort_by_key(|verdict| verdict.request() == id);
        verdicts
    }

    fn expected_cached_tokens(&self, id: RequestNumber) -> Option<u32> {
        self.workers[self.number_of(id)].expected_cached_tokens(id).filter(|_| self.routes_by_prefixes)
    }

    fn token(&mut self, id: RequestNumber, _output_tokens: u32, now: Instant) {
        self.process.now.set(now);
        self.worker_of(id).token(id);
    }

    fn finish(&mut self, id: RequestNumber, outcome: Outcome, now: Instant) {
        self.process.now.set(now);
        self.worker_of(id).finish(id, &outcome);
        let verdicts = self.verdicts(self.number_of(id));
        assert_eq!(verdicts, [], "nothing may be forwarded where a stream ends");
    }

    fn next_event_at(&self) -> Option<Instant> {
        self.process.agenda.borrow().next_at()
    }

    fn advance(&mut self, now: Instant) -> Vec<Verdict> {
        self.process.now.set(now);
        let task = self.process.agenda.borrow_mut().take_due(now);
        let worker = match task {
            Some(Task::Message(worker, mailbox)) => {
                self.workers[worker].message(mailbox);
                worker
            }
            Some(Task::Tick(worker, timer)) => {
                self.workers[worker].tick(timer);
                worker
            }
            None => return Vec::new(),
        };
        self.verdicts(worker)
    }

    fn keeps_capacity(&self) -> bool {
        self.policy.kind == PolicyKind::Pull
    }

    fn leftovers(&mut self, now: Instant) -> Option<String> {
        let end = now.after(SETTLING);
        while let Some(at) = self.next_event_at().filter(|at| *at <= end) {
            self.advance(at);
        }
        let gauges =
            ["waiting", "in_flight"].map(|of| self.process.value_of(&format!("slo_router.{of}_pool=simulation_")));
        let streams: usize = self.workers.iter().map(Vm::open_streams).sum();
        let is_clean = gauges == [Some(0); 2] && streams == 0;
        (!is_clean).then(|| format!("the gauges (waiting, running) {gauges:?}, and {streams} streams"))
    }
}
