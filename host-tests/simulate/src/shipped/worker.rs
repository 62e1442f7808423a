//! One of Envoy's workers: what the filter does around the core, request by request.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use evaluation::workload::Class;
use slo_router::dispatcher::{Action, Dispatcher, End};
use slo_router::learning::{Learning, ResponseSample};
use slo_router::scheduling::policies::PolicyName;
use slo_router::scheduling::pool::{Model, Pool};
use slo_router::scheduling::prediction::{Completion, LengthDistribution, OutputLengths, PartialAnswer};
use slo_router::scheduling::request::{self, RequestId};
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::slo::Outcome;
use slo_router::scheduling::time::Instant;
use slo_router::scheduling::weight::Weight;
use slo_router::session::{BUSY_TICK, FIRST_TICK, IDLE_TICK};
use slo_router::shared::Keys;
use slo_router_pods::lengths::CHARACTERS_PER_TOKEN;

use super::Lengths;
use super::filter::Filter;
use super::port::Port;
use crate::gateway::RequestNumber;
use crate::scenario::Demand;

/// The only model.
const MODEL: &str = "llama";

/// See the module.
pub(super) struct Worker {
    dispatcher: Dispatcher<Port>,
    learning: Learning,
    port: Port,
    keys: Keys,
    policy: PolicyName,
    lengths: Lengths,
    /// The number of each class in the filter's configuration.
    classes: Vec<Class>,
    /// Weight of each class.
    weights: Vec<Weight>,
    /// Requests that came here and have not ended: all of them teach how long answers are at least.
    open: BTreeMap<RequestNumber, PartialAnswer>,
    rng: fastrand::Rng,
    tick: Duration,
    /// Counts how often the timer was set.
    timer: u64,
    newly_set: bool,
    /// `true` once a request has come.
    has_served: bool,
    shared_at: Instant,
}

// === impl Worker ===

impl Worker {
    pub(super) fn new(
        filter: &Filter,
        pool: &Rc<Pool>,
        port: Port,
        (policy, lengths): (PolicyName, Lengths),
        seed: u64,
        now: Instant,
    ) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut config = filter.config.clone();
        config.policy = policy;
        let mut dispatcher = Dispatcher::new(port.clone(), config.dispatch_settings(), rng.u64(..), now);
        let _nothing_waits_yet = dispatcher.set_pool(Rc::clone(pool), now);
        Self {
            dispatcher,
            learning: Learning::new(filter.config.prediction),
            port,
            keys: Keys::of(&filter.config.pool),
            policy,
            lengths,
            classes: filter.classes.clone(),
            weights: filter.config.classes.iter().map(|class| class.weight).collect(),
            open: BTreeMap::new(),
            rng,
            tick: FIRST_TICK,
            timer: 1,
            newly_set: true,
            has_served: false,
            shared_at: Instant::ZERO,
        }
    }

    pub(super) fn arrive(&mut self, id: RequestNumber, demand: &Demand, now: Instant) -> Vec<Action> {
        let Demand { arrival, slo, answering } = demand;
        if !std::mem::replace(&mut self.has_served, true) {
            // For the first request the filter makes sure that it sees bodies at all, and ticks meanwhile.
            self.adjust_timer(BUSY_TICK);
        }
        let (label, _) = self.learning.label(MODEL, &self.port, &self.keys, now);
        let input_tokens = self.learning.tokens_of_characters(&label, characters(arrival.prompt_tokens));
        let open = &self.open;
        let estimate =
            self.learning.output_tokens(&label, input_tokens, || open.values().copied().collect(), now, &mut self.rng);
        let output_tokens = match self.lengths {
            Lengths::Learned => estimate.min(arrival.class.max_tokens()),
            Lengths::True => arrival.output_tokens,
        };
        let lengths = self.policy.looks_at_runs.then(|| {
            let curve = match self.lengths {
                Lengths::Learned => self.learning.lengths(&label, input_tokens, || open.values().copied().collect()),
                Lengths::True => Rc::new(LengthDistribution::certain(arrival.output_tokens)),
            };
            OutputLengths::new(curve, arrival.class.max_tokens())
        });
        self.open.insert(id, PartialAnswer { input_tokens, output_so_far: 0 });
        let class = self.classes.iter().position(|class| *class == arrival.class);
        let arrival = request::Arrival {
            id: RequestId(id),
            at: now,
            model: Model { name: MODEL.to_owned(), base: None },
            class: class.map_or(0, |class| class + 1),
            weight: class.and_then(|class| self.weights.get(class).copied()).unwrap_or_default(),
            policy: self.policy,
            shape: Shape { output_tokens, input_tokens },
            streamed: answering.streamed,
            lengths,
            slo: Some(*slo),
            subset: None,
        };
        let actions = self.dispatcher.submit(arrival, now);
        self.after(actions)
    }

    pub(super) fn token(&mut self, id: RequestNumber, output_tokens: u32, now: Instant) {
        self.dispatcher.progress(RequestId(id), output_tokens, now);
        if let Some(running) = self.open.get_mut(&id) {
            running.output_so_far = output_tokens;
        }
    }

    pub(super) fn finish(&mut self, id: RequestNumber, outcome: Outcome, now: Instant) {
        self.open.remove(&id);
        let Shape { output_tokens, input_tokens } = outcome.shape;
        let sample = ResponseSample {
            completion: Some(Completion { input_tokens, output_tokens, completed_at: now }),
            prompt_tokens: Some(input_tokens),
            characters: Some(characters(input_tokens)),
            bytes: None,
            events: None,
        };
        let (label, _) = self.learning.answered(MODEL, &self.port, &self.keys, now);
        self.learning.record(&label, sample);
        self.dispatcher.finish(RequestId(id), &End::Finished(outcome), now);
    }

    pub(super) fn look_again(&mut self, now: Instant) -> Vec<Action> {
        let actions = self.dispatcher.look_again(now);
        self.after(actions)
    }

    /// The timer that holds.
    pub(super) fn timer(&self) -> u64 {
        self.timer
    }

    /// The timer's period, if it was set since this was asked last.
    pub(super) fn take_newly_set(&mut self) -> Option<Duration> {
        std::mem::take(&mut self.newly_set).then_some(self.tick)
    }

    pub(super) fn tick(&mut self, now: Instant) -> Vec<Action> {
        let actions = self.dispatcher.tick(now);
        if now.since(self.shared_at) >= IDLE_TICK {
            self.shared_at = now;
            self.learning.share(&self.port, &self.keys, now);
            // For the metrics; it leaves the worker with a newer board.
            self.dispatcher.survey(now);
        }
        let actions = self.after(actions);
        self.set_timer(self.tick);
        actions
    }

    /// Requests that wait and that run.
    pub(super) fn holds(&self) -> (usize, usize) {
        (self.dispatcher.waiting(), self.dispatcher.in_flight())
    }

    /// Forgets what was refused, and sets the timer anew where its period changes.
    fn after(&mut self, actions: Vec<Action>) -> Vec<Action> {
        for action in &actions {
            if let Action::Refuse(id, ..) = action {
                self.open.remove(&id.0);
            }
        }
        self.adjust_timer(if self.dispatcher.waiting() > 0 { BUSY_TICK } else { IDLE_TICK });
        actions
    }

    fn adjust_timer(&mut self, period: Duration) {
        if period != self.tick {
            self.set_timer(period);
        }
    }

    fn set_timer(&mut self, period: Duration) {
        self.tick = period;
        self.timer += 1;
        self.newly_set = true;
    }
}

/// Characters of a prompt of so many tokens.
pub fn characters(tokens: u32) -> u64 {
    (f64::from(tokens) * CHARACTERS_PER_TOKEN) as u64
}
