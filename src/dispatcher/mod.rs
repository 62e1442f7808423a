//! One VM's part in a pool: its queue, its running requests, and the rounds that place the one on
//! pods by what all VMs have published of the other.
//!
//! A *round* runs on every event that can free or add room. It reads the pool's state, lets the
//! policies decide, and takes the room by compare-and-swap; what another VM took meanwhile is
//! decided again. A fresh request gives way to a more urgent one that waits in another VM, but only
//! to one that was just woken and would fit the same room: nothing is left idle for a VM that does
//! not come.

mod actions;
mod admission;
mod coordinator;
mod exchange;
mod fast_path;
mod liveness;
mod probes;
mod release;
mod replicas;
mod reroute;
mod round;
mod settings;
#[cfg(test)]
mod tests;
mod wake;

use std::net::SocketAddr;
use std::rc::Rc;

use fnv::FnvHashMap;

pub use self::actions::{Action, End, Placement, RefusalReason, RetryAfter, Survey, SurveyedSpeed};
use self::coordinator::Coordinator;
use self::liveness::Liveness;
use self::probes::Probes;
pub use self::settings::Settings;
use crate::learning::{Knowledge, Learning};
use crate::scheduling::latency_model::Ended;
use crate::scheduling::policies::{Policy, PolicyName, Preferences};
use crate::scheduling::pool::{Model, Pool};
use crate::scheduling::request::{Arrival, Assessment, Request, RequestId};
use crate::scheduling::requests::Requests;
use crate::scheduling::subset::Subset;
use crate::scheduling::time::Instant;
use crate::shared::health::Change;
use crate::shared::membership::Member;
use crate::shared::store::Store;

/// Most requests that one call forwards or refuses. Envoy runs what follows from each nested on one
/// stack, which overflows at some 250.
pub const MOST_ACTIONS: usize = 16;

/// Requests that a call judges by a new pool, of those that wait and of those that run.
const JUDGED_AT_ONCE: usize = 64;

/// See the module.
pub struct Dispatcher<S> {
    settings: Settings,
    pool: Rc<Pool>,
    requests: Requests,
    coordinator: Coordinator<S>,
    knowledge: Knowledge,
    policies: Policies,
    probes: Probes,
    liveness: Liveness,
    answers_exchanged_at: Instant,
    /// `true` where the last exchange was of what runs.
    exchanged_load_last: bool,
    /// `true` where the last tick exchanged and left its round to a message. The next one has its
    /// round whatever is due: messages may be lost, and ticks may be so late that something always
    /// is.
    has_put_off: bool,
    rng: fastrand::Rng,
}

/// The policies that requests asked for so far.
struct Policies {
    preferences: Preferences,
    built: FnvHashMap<PolicyName, Box<dyn Policy>>,
}

// === impl Dispatcher ===

impl<S: Store> Dispatcher<S> {
    /// With an empty pool. Joins no others before the first request comes: some VMs never get one.
    pub fn new(store: S, settings: Settings, seed: u64, now: Instant) -> Self {
        Self {
            pool: Rc::default(),
            requests: Requests::new(settings.late, settings.max_wait),
            coordinator: Coordinator::new(store, &settings, now),
            knowledge: Knowledge::new(settings.prediction, settings.corrects_profiles, settings.prefix),
            policies: Policies { preferences: settings.preferences, built: FnvHashMap::default() },
            probes: Probes::default(),
            liveness: Liveness::default(),
            answers_exchanged_at: Instant::ZERO,
            exchanged_load_last: false,
            has_put_off: false,
            rng: fastrand::Rng::with_seed(seed),
            settings,
        }
    }

    /// Number of requests that wait here.
    pub fn waiting(&self) -> usize {
        self.requests.waiting_count()
    }

    /// Number of requests that run and were placed here.
    pub fn in_flight(&self) -> usize {
        self.requests.running_count()
    }

    /// The pool in force.
    pub fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }

    /// Returns what answers have taught.
    pub fn learned(&mut self) -> &mut Learning {
        self.knowledge.answers_mut()
    }

    /// Returns the same, and the requests that run, in their order.
    pub fn learned_and_running(&mut self) -> (&mut Learning, impl ExactSizeIterator<Item = RequestId> + '_) {
        (self.knowledge.answers_mut(), self.requests.running_ids())
    }

    /// Takes a new pool into force: what waits is judged anew, what runs is charged by the new
    /// profiles.
    pub fn set_pool(&mut self, pool: Rc<Pool>, now: Instant) -> Vec<Action> {
        self.pool = pool;
        if self.settings.looks_at_runs {
            self.knowledge.meet(&self.pool);
            self.requests.meet_pool(Rc::clone(&self.pool), self.coordinator.runs_elsewhere());
        }
        self.requests.outdate();
        self.liveness.keep_to(&self.pool);
        self.coordinator.publish_pool(&self.pool);
        self.judge_anew();
        self.look_again(now)
    }

    /// After a change of the pool: judges some of what waits anew, and charges some of what runs by
    /// the new profiles. What is left follows with the next calls.
    fn judge_anew(&mut self) {
        for _ in 0..JUDGED_AT_ONCE {
            let Some(request) = self.requests.take_outdated() else { break };
            let request = self.assess(request.arrival);
            self.requests.push(request);
        }
        let (pool, how) = (&self.pool, &self.settings.assessment);
        let learned = self.settings.corrects_profiles.then_some(self.knowledge.latency_models());
        let is_done = self.requests.recharge(JUDGED_AT_ONCE, |run| {
            let position = pool.deployments().iter().position(|deployment| deployment.id == run.deployment);
            let request = Request::judge(run.arrival.clone(), pool, how, learned);
            // A pod that is gone keeps what it was charged.
            position.and_then(|position| request.on(position)).map_or(run.load, |prospect| prospect.load)
        });
        if is_done {
            self.coordinator.publish_loads(&self.requests);
        }
    }

    /// The client of a waiting request left.
    pub fn cancel(&mut self, id: RequestId, now: Instant) {
        let had_reserved = self.requests.aged(now).is_some_and(|(request, _)| request.arrival.id == id);
        if self.requests.take_waiting(id).is_none() {
            return;
        }
        let reading = self.coordinator.read();
        self.tell_others(&reading, now);
        if had_reserved && self.requests.any_waits() {
            self.coordinator.wake_self();
        }
    }

    /// A placed request ended; says what became of its pod. Nothing may be forwarded in the
    /// callbacks that end a stream, so this only wakes.
    pub fn finish(&mut self, id: RequestId, end: &End, now: Instant) -> Option<Change> {
        let mut run = self.requests.end(id)?;
        if let Some((seen, observation)) = run.seen.as_ref().zip(run.observation.take()) {
            let answer = match end {
                End::Finished(outcome) => Some(Ended {
                    prompt_tokens: outcome.shape.input_tokens,
                    output_tokens: outcome.shape.output_tokens,
                    cached_tokens: outcome.cached_tokens,
                    kept: seen.kept_but_for_waiting(outcome),
                }),
                _ => None,
            };
            self.knowledge.ended(run.prompt.as_ref(), observation, answer, now);
        }
        let change = self.release(&run, end, now);
        self.note_load(run.arrival.at);
        self.tell_load(now);
        self.wake_after_release(now);
        change
    }

    /// The answer to a placed request is streamed, and has so many tokens now; none yet where that
    /// is 0.
    pub fn progress(&mut self, id: RequestId, tokens: u32, now: Instant) {
        let Some((pod, observation)) = self.requests.progress(id, tokens, now) else { return };
        self.liveness.note(pod, tokens > 0, now);
        if tokens == 0 || !self.settings.looks_at_runs {
            return;
        }
        if let Some(observation) = observation {
            self.knowledge.latency_models_mut().went_on(observation, tokens, now);
        }
        if let Some(run) = self.requests.running(id) {
            // It is told with the next tick, placement or end: others can reckon meanwhile.
            self.coordinator.note_progress(run.arrival.at);
        }
    }

    /// A message came: room was freed, somewhere.
    pub fn look_again(&mut self, now: Instant) -> Vec<Action> {
        if self.requests.any_waits() { self.run_round(None, now) } else { Vec::new() }
    }

    /// Time passed: heartbeat, what waited too long, and what wake-ups did not reach.
    pub fn tick(&mut self, now: Instant) -> Vec<Action> {
        self.coordinator.beat(&self.pool, &self.requests, now);
        self.judge_anew();
        self.has_put_off = !self.has_put_off && self.exchange(now) && self.requests.any_waits();
        if self.has_put_off {
            // A round in the same callback would take it too long.
            self.coordinator.wake_self();
            return Vec::new();
        }
        self.look_again(now)
    }

    /// A pod for a request that is not scheduled, by the fallback policy, and others for a retry:
    /// pods that serve its model, if that is known and any does. It is not charged.
    pub fn pick(
        &mut self,
        model: Option<Model>,
        subset: Option<Subset>,
        now: Instant,
    ) -> Option<(Rc<str>, Vec<SocketAddr>)> {
        let policy = self.settings.assessment.fallback_policy;
        let model = model.filter(|model| self.pool.serves(model)).unwrap_or(Model::ANY);
        let passing = Arrival { at: now, model, policy, subset, ..Arrival::default() };
        let request =
            Request::assess(passing, &self.pool, &Assessment { fallback_policy: policy, ..Assessment::default() });
        let pool = Rc::clone(&self.pool);
        let latency_models = self.knowledge.latency_models();
        let mut view = self.coordinator.newest_view(&pool, &self.requests, latency_models, now).unbounded();
        let mut round = self.knowledge.round(now, &mut self.rng);
        let decisions = self.policies.get(policy).decide(&mut view, &[&request], &mut round);
        let pod = pool.pods().get(decisions.first()?.pod)?;
        Some((Rc::clone(&pod.destination), view.alternatives(&request, pod, self.settings.alternatives)))
    }

    /// Surveys all VMs; returns `None` in all but one of them, the one on the lowest slot. Where
    /// none is a member (any more), all return the same.
    pub fn survey(&mut self, now: Instant) -> Option<Survey> {
        let reading = self.coordinator.read();
        let membership = reading.membership();
        let fence = self.coordinator.fence();
        let is_lower = |member: &Member| fence.is_none_or(|own| member.fence.slot < own.slot);
        if membership.others(fence, now).any(is_lower) {
            return None;
        }
        let running = reading.pool_state().running(now);
        Some(Survey {
            waiting: membership.waiting_elsewhere(fence, now).saturating_add(self.waiting_here()),
            in_flight: running.values().map(|entry| entry.count).sum(),
            pods: self.pool.pods().len(),
            pods_failing: reading.pool_state().failing.len(),
            replicas: reading.peer_view().map(|peer_view| peer_view.gateways_seen(now)),
            speeds: SurveyedSpeed::of_all(self.knowledge.latency_models(), &self.pool),
        })
    }

    /// The configuration that this served is gone: gives the membership up.
    pub fn leave(&mut self) {
        self.coordinator.leave();
    }

    /// Judges what arrived by what is known now.
    fn assess(&self, arrival: Arrival) -> Request {
        let learned = self.settings.corrects_profiles.then_some(self.knowledge.latency_models());
        Request::judge(arrival, &self.pool, &self.settings.assessment, learned)
    }
}

// === impl Policies ===

impl Policies {
    fn get(&mut self, name: PolicyName) -> &mut dyn Policy {
        self.built.entry(name).or_insert_with(|| name.build(self.preferences)).as_mut()
    }
}
