//! The filter's own core as a gateway: a dispatcher and a learner for each of Envoy's workers, over one shared memory.
//!
//! What the filter does around the core is done here alike: estimates are made at arrival from what was learned; messages
//! come [`DELIVERY`] after they were sent; workers tick each 10 ms while something waits there and each 250 ms otherwise,
//! and then exchange what they learned. Requests go to the workers in turn.

mod filter;
mod port;
mod worker;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use slo_router::dispatcher::Action;
use slo_router::scheduling::policies::PolicyName;
use slo_router::scheduling::slo::Outcome;
use slo_router::scheduling::time::Instant;
use slo_router::shared::Keys;
use slo_router::shared::board::Board;
use slo_router::shared::store::read;

pub use self::filter::Filter;
use self::port::Mail;
use self::worker::Worker;
use crate::gateway::{Gateway, RequestNumber, Verdict};
use crate::scenario::Demand;

/// From sending a message until its worker looks: measured in Envoy, 40 to 140 µs.
const DELIVERY: Duration = Duration::from_micros(100);

/// What a gateway knows of how long answers will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lengths {
    /// What the filter learns from the answers so far.
    Learned,
    /// The truth. No filter can; it shows what better estimates could bring.
    True,
}

/// See the module.
pub struct Shipped {
    policy: PolicyName,
    workers: Vec<Worker>,
    mail: Mail,
    /// Messages under way: when they arrive, and at which worker.
    under_way: VecDeque<(Instant, usize)>,
    pods: HashMap<SocketAddr, usize>,
    keys: Keys,
}

// === impl Shipped ===

impl Shipped {
    /// So many workers of an Envoy with `filter`, from `now` on. Requests ask for `policy`.
    pub fn new(filter: &Filter, policy: PolicyName, lengths: Lengths, workers: usize, seed: u64, now: Instant) -> Self {
        let pool = Rc::new(filter.pool());
        let mail = Mail::default();
        let mut seeds = fastrand::Rng::with_seed(seed);
        let worker = |number| Worker::new(filter, &pool, mail.port(number), (policy, lengths), seeds.fork(), now);
        Self {
            policy,
            workers: (0..workers).map(worker).collect(),
            pods: pool.pods().iter().enumerate().map(|(position, pod)| (pod.address, position)).collect(),
            mail,
            under_way: VecDeque::new(),
            keys: Keys::of(&filter.config.pool),
        }
    }

    fn worker_of(&mut self, id: RequestNumber) -> &mut Worker {
        let count = self.workers.len();
        &mut self.workers[id as usize % count]
    }

    /// Sends what was put into the mail, and translates what a dispatcher decided.
    fn follow_up(&mut self, actions: Vec<Action>, now: Instant) -> Vec<Verdict> {
        self.collect_mail(now);
        let verdict = |action: Action| match action {
            Action::Forward(id, placement) => Verdict::Place(id.0, self.pods[&placement.address], placement.load),
            Action::Refuse(id, reason, _) => Verdict::Refuse(id.0, reason),
        };
        actions.into_iter().map(verdict).collect()
    }

    fn collect_mail(&mut self, now: Instant) {
        let sent = std::iter::from_fn(|| self.mail.take());
        self.under_way.extend(sent.map(|worker| (now.after(DELIVERY), worker)));
    }
}

impl Gateway for Shipped {
    fn arrive(&mut self, id: RequestNumber, demand: &Demand, now: Instant) -> Vec<Verdict> {
        let actions = self.worker_of(id).arrive(id, demand, now);
        self.follow_up(actions, now)
    }

    fn token(&mut self, id: RequestNumber, output_tokens: u32, now: Instant) {
        self.worker_of(id).token(id, output_tokens, now);
    }

    fn finish(&mut self, id: RequestNumber, outcome: Outcome, now: Instant) {
        self.worker_of(id).finish(id, outcome, now);
        self.collect_mail(now);
    }

    fn next_event_at(&self) -> Option<Instant> {
        let message = self.under_way.front().map(|(at, _)| *at);
        self.workers.iter().map(Worker::ticks_at).chain(message).min()
    }

    fn advance(&mut self, now: Instant) -> Vec<Verdict> {
        if let Some((_, worker)) = self.under_way.pop_front_if(|(at, _)| *at <= now) {
            // Messages that came together all say the same; the worker takes them at once.
            self.under_way.retain(|(at, to)| *at > now || *to != worker);
            let actions = self.workers[worker].look_again(now);
            return self.follow_up(actions, now);
        }
        let Some(due) = self.workers.iter_mut().find(|worker| worker.ticks_at() <= now) else { return Vec::new() };
        let actions = due.tick(now);
        self.follow_up(actions, now)
    }

    fn keeps_capacity(&self) -> bool {
        matches!(self.policy, PolicyName::Slo | PolicyName::SloLeastLoadPulling | PolicyName::SloPackLoad)
    }

    fn leftovers(&mut self, now: Instant) -> Option<String> {
        // A column whose writing failed is written again with the next heartbeat.
        self.workers.iter_mut().for_each(|worker| drop(worker.tick(now)));
        let held: Vec<_> = self.workers.iter().map(Worker::holds).collect();
        if held.iter().any(|held| *held != (0, 0)) {
            return Some(format!("the workers hold (waiting, running) {held:?}"));
        }
        let memory = self.mail.memory();
        let (board, _): (Board, u32) = read(memory, &self.keys.board());
        let sum = board.running(now);
        (!sum.is_empty()).then(|| format!("the board holds {sum:?}"))
    }
}
