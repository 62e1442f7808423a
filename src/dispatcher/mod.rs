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
mod load_exchange;
mod local_back_off;
mod peer_back_off;
mod pod_runs;
mod probes;
mod reading;
mod release;
mod replicas;
mod reroute;
mod round;
mod running;
#[cfg(test)]
mod tests;
mod wake;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use fnv::FnvHashMap;

pub use self::actions::{Action, End, Placement, RefusalReason, RetryAfter, Survey, SurveyedSpeed};
use self::coordinator::Coordinator;
use self::liveness::Liveness;
use self::load_exchange::LoadExchange;
use self::local_back_off::LocalBackOff;
use self::peer_back_off::PeerBackOff;
use self::probes::Probes;
use self::reading::LoadTally;
use self::running::{Running, RunningRequest};
use crate::scheduling::latency_model::Ended;
use crate::scheduling::policies::{Policy, PolicyName, Preferences, Round};
use crate::scheduling::pool::{Model, Pool};
use crate::scheduling::queue::{LatePolicy, Queue};
use crate::scheduling::request::{Arrival, Assessment, Request, RequestId};
use crate::scheduling::run::Progress;
use crate::scheduling::subset::Subset;
use crate::scheduling::time::Instant;
use crate::shared::health::Change;
use crate::shared::membership::{Generation, Member};
use crate::shared::{Keys, Store};

/// Most requests that one call forwards or refuses. Envoy runs what follows from each nested on one
/// stack, which overflows at some 250.
pub const MOST_ACTIONS: usize = 64;

/// Requests that a call judges by a new pool, of those that wait and of those that run.
const JUDGED_AT_ONCE: usize = 64;

/// Settings of the scheduling; from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names the pool in shared data.
    pub pool: String,
    /// Tells configurations of the pool apart.
    pub fingerprint: u64,
    /// Rules by which requests are judged.
    pub assessment: Assessment,
    /// `true` where requests that no deployment can serve in time are refused.
    pub reject_infeasible: bool,
    /// Preferences that policies take.
    pub preferences: Preferences,
    /// Most requests that wait, over all VMs.
    pub max_waiting: u32,
    /// Longest time that a request waits.
    pub max_wait: Duration,
    /// Treatment of late ones.
    pub late: LatePolicy,
    /// `true` where requests may ask for a policy that goes by what runs on each pod, or by speeds
    /// that are learned from it.
    pub looks_at_runs: bool,
    /// `true` where what responses show corrects what profiles say of speeds.
    pub corrects_profiles: bool,
    /// Number of pods that are named beside the one that a request goes to, for retries.
    pub alternatives: usize,
    /// Interval at which other gateways report what they do, where others serve the same pods.
    pub replicas: Option<Duration>,
}

/// See the module.
pub struct Dispatcher<S> {
    coordinator: Coordinator<S>,
    settings: Settings,
    pool: Rc<Pool>,
    queue: Queue,
    running: Running,
    load_exchange: LoadExchange,
    tally: LoadTally,
    policies: Policies,
    /// The request that was charged last by a new pool's profiles, while that goes on; none before
    /// the first.
    recharging: Option<Option<RequestId>>,
    local_back_off: LocalBackOff,
    peer_back_off: PeerBackOff,
    probes: Probes,
    liveness: Liveness,
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
        let generation = Generation { since: now, fingerprint: settings.fingerprint };
        Self {
            coordinator: Coordinator::new(store, Keys::of(&settings.pool), generation, settings.replicas.is_some()),
            pool: Rc::default(),
            queue: Queue::new(settings.late, settings.max_wait),
            running: Running::default(),
            load_exchange: LoadExchange::new(settings.corrects_profiles),
            tally: LoadTally::default(),
            policies: Policies { preferences: settings.preferences, built: FnvHashMap::default() },
            rng: fastrand::Rng::with_seed(seed),
            recharging: None,
            local_back_off: LocalBackOff::default(),
            probes: Probes::default(),
            liveness: Liveness::default(),
            peer_back_off: PeerBackOff::new(settings.replicas.unwrap_or_default()),
            settings,
        }
    }

    /// Number of requests that wait here.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Number of requests that run and were placed here.
    pub fn in_flight(&self) -> usize {
        self.running.len()
    }

    /// Those that run, in their order.
    pub fn running(&self) -> impl Iterator<Item = RequestId> + '_ {
        self.running.ids()
    }

    /// The pool in force.
    pub fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }

    /// Takes a new pool into force: what waits is judged anew, what runs is charged by the new
    /// profiles.
    pub fn set_pool(&mut self, pool: Rc<Pool>, now: Instant) -> Vec<Action> {
        self.pool = pool;
        if self.settings.looks_at_runs {
            self.load_exchange.meet_pool(&self.pool, &self.running);
        }
        self.queue.outdate();
        self.liveness.keep_to(&self.pool);
        self.recharging = Some(None);
        self.coordinator.publish_pool(&self.pool);
        self.judge_anew();
        self.look_again(now)
    }

    /// After a change of the pool: judges some of what waits anew, and charges some of what runs by
    /// the new profiles. What is left follows with the next calls.
    fn judge_anew(&mut self) {
        for _ in 0..JUDGED_AT_ONCE {
            let Some(request) = self.queue.take_outdated() else { break };
            let request = self.assess(request.arrival);
            self.queue.push(request);
        }
        let Some(last) = self.recharging else { return };
        let (pool, how) = (Rc::clone(&self.pool), self.settings.assessment);
        let latency_models = self.settings.corrects_profiles.then_some(&self.load_exchange.latency_models);
        let last = self.running.recharge(last, JUDGED_AT_ONCE, |run| {
            let position = pool.deployments().iter().position(|deployment| deployment.id == run.deployment);
            let request = Request::judge(run.arrival.clone(), &pool, &how, latency_models);
            // A pod that is gone keeps what it was charged.
            position.and_then(|position| request.on(position)).map_or(run.load, |prospect| prospect.load)
        });
        self.recharging = last.map(Some);
        if self.recharging.is_none() {
            self.coordinator.publish_columns(&mut self.running);
        }
    }

    /// The client of a waiting request left.
    pub fn cancel(&mut self, id: RequestId, now: Instant) {
        let had_reserved = self.queue.aged(now).is_some_and(|(request, _)| request.arrival.id == id);
        if self.queue.remove(id).is_none() {
            return;
        }
        let reading = self.coordinator.read();
        self.tell_others(&reading.pool_state.membership, now);
        if had_reserved && !self.queue.is_empty() {
            self.coordinator.wake_self();
        }
    }

    /// A placed request ended; says what became of its pod. Nothing may be forwarded in the
    /// callbacks that end a stream, so this only wakes.
    pub fn finish(&mut self, id: RequestId, end: &End, now: Instant) -> Option<Change> {
        let run = self.running.remove(id)?;
        self.load_exchange.ended(id, &run);
        if let Some(seen) = &run.seen {
            let answer = match end {
                End::Finished(outcome) => Some(Ended {
                    output_tokens: outcome.shape.output_tokens,
                    cached_tokens: outcome.cached_tokens,
                    kept: seen.kept_but_for_waiting(outcome),
                }),
                _ => None,
            };
            self.load_exchange.latency_models.ended(id, answer, now);
        }
        let change = self.release(&run, end, now);
        self.tell_load(now);
        self.wake_after_release(now);
        change
    }

    /// The answer to a placed request is streamed, and has so many tokens now; none yet where that
    /// is 0.
    pub fn progress(&mut self, id: RequestId, tokens: u32, now: Instant) {
        let Some(run) = self.running.get_mut(id) else { return };
        self.liveness.note(run.pod, tokens > 0, now);
        let Some(seen) = run.seen.as_mut() else { return };
        let first_token_at = match seen.progress {
            Progress::Decoding { first_token_at, .. } => Some(first_token_at),
            Progress::Unseen | Progress::Prefilling => None,
        };
        if tokens == 0 {
            seen.progress = Progress::Prefilling;
            self.load_exchange.runs(id, run);
            return;
        }
        seen.progress = Progress::Decoding { first_token_at: first_token_at.unwrap_or(now), tokens, seen_at: now };
        self.load_exchange.runs(id, run);
        // It is told with the next tick, placement or end: others can reckon meanwhile.
        self.load_exchange.note_change();
        self.load_exchange.latency_models.went_on(id, tokens, now);
    }

    /// A message came: room was freed, somewhere.
    pub fn look_again(&mut self, now: Instant) -> Vec<Action> {
        if self.queue.is_empty() { Vec::new() } else { self.run_round(None, now) }
    }

    /// Time passed: heartbeat, what waited too long, and what wake-ups did not reach.
    pub fn tick(&mut self, now: Instant) -> Vec<Action> {
        self.coordinator.beat(&self.pool, &mut self.running, now);
        self.judge_anew();
        let is_member = self.coordinator.fence().is_some();
        if self.settings.looks_at_runs && is_member && self.exchange_load(now) && !self.queue.is_empty() {
            // Both in one callback would take it too long.
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
        let reading = self.coordinator.read();
        let view = reading.view(
            &pool,
            self.coordinator.fence(),
            &self.running,
            (&mut self.tally, &self.load_exchange.latency_models),
            now,
        );
        let mut view = view.unbounded();
        let mut round = Round::new(now, &mut self.rng, &mut self.load_exchange.latency_models);
        let decisions = self.policies.get(policy).decide(&mut view, &[&request], &mut round);
        let pod = pool.pods().get(decisions.first()?.pod)?;
        Some((Rc::clone(&pod.destination), self.alternatives(&request, pod, &view)))
    }

    /// Surveys all VMs; returns `None` in all but one of them, the one on the lowest slot. Where
    /// none is a member (any more), all return the same.
    pub fn survey(&mut self, now: Instant) -> Option<Survey> {
        let reading = self.coordinator.read();
        let membership = &reading.pool_state.membership;
        let fence = self.coordinator.fence();
        let is_lower = |member: &Member| fence.is_none_or(|own| member.fence.slot < own.slot);
        if membership.others(fence, now).any(is_lower) {
            return None;
        }
        let running = reading.pool_state.running(now);
        Some(Survey {
            waiting: membership.waiting_elsewhere(fence, now).saturating_add(self.waiting_here()),
            in_flight: running.values().map(|entry| entry.count).sum(),
            pods: self.pool.pods().len(),
            pods_failing: reading.pool_state.failing.len(),
            replicas: reading.peer_view().map(|peer_view| peer_view.gateways_seen(now)),
            speeds: self.load_exchange.speeds(&self.pool),
        })
    }

    /// The configuration that this served is gone: gives the membership up.
    pub fn leave(&mut self) {
        self.coordinator.leave();
    }

    /// Judges what arrived by what is known now.
    fn assess(&self, arrival: Arrival) -> Request {
        let latency_models = self.settings.corrects_profiles.then_some(&self.load_exchange.latency_models);
        Request::judge(arrival, &self.pool, &self.settings.assessment, latency_models)
    }
}

// === impl Policies ===

impl Policies {
    fn get(&mut self, name: PolicyName) -> &mut dyn Policy {
        self.built.entry(name).or_insert_with(|| name.build(self.preferences)).as_mut()
    }
}
