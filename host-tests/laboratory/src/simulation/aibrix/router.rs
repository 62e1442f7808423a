//! AIBrix's queue router: when it looks at the queue, what it does with what it finds, and what it charges.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use slo_router::dispatcher::RefusalReason;
use slo_router::scheduling::load::Load as Charge;
use slo_router::scheduling::profile::Profile;
use slo_router::scheduling::slo::{Outcome, Slo};
use slo_router::scheduling::time::Instant;
use slo_router::sources::profiles;

use super::judge::{Judge, Queued};
use super::learned::Capacity;
use super::predictor::{Predictor, WINDOW};
use super::queue::{self, Candidate, Key, SloQueue};
use super::rules::{Overdue, Rules};
use super::sub_router::{self, Failure, Load};
use crate::simulation::gateway::{Gateway, RequestNumber, Verdict};
use crate::simulation::scenario::{Demand, Scenario};

/// After this Envoy gives up on the gateway's answer (the message timeout of its external processor).
const TIMEOUT: Duration = Duration::from_secs(60);
/// Period of its own looks at the queue, where that flaw is mended.
const POLL: Duration = Duration::from_millis(100);

/// See [`super`].
pub struct Aibrix {
    rules: Rules,
    deployments: Vec<Deployment>,
    pods: Vec<Pod>,
    queue: SloQueue,
    predictor: Predictor,
    rng: fastrand::Rng,
    running: HashMap<RequestNumber, Running>,
    /// Instant of the next look, and the pods to look at, in order.
    trigger: Option<(Instant, Vec<usize>)>,
    polls_at: Instant,
    /// Requests in the order in which their clients give up.
    patience: VecDeque<(Instant, RequestNumber)>,
}

struct Deployment {
    profile: Option<Profile>,
    capacity: Capacity,
}

#[derive(Clone, Debug, Default)]
struct Pod {
    deployment: usize,
    utilisation: f64,
    running: u32,
}

#[derive(Clone, Debug)]
struct Running {
    pod: usize,
    charged: f64,
    waited: Duration,
    slo: Slo,
}

/// Outcome of a look at the queue.
#[derive(Debug, PartialEq)]
pub(super) enum Look {
    /// The head of this queue goes to this pod.
    Place(Key, usize),
    /// The head of this queue fails.
    Fail(Key),
    /// Nothing can be done.
    Wait,
}

// === impl Aibrix ===

impl Aibrix {
    /// In front of the scenario's pods from `now` on.
    ///
    /// `past` are answers that its predictor has seen already.
    ///
    /// # Errors
    /// Where the scenario's profiles cannot be read.
    pub fn new(scenario: &Scenario, rules: Rules, past: &[Demand], seed: u64, now: Instant) -> anyhow::Result<Self> {
        let document = profiles::parse(if rules.p90 { scenario.profiles } else { scenario.profiles_p99 })?;
        let mut names: Vec<&str> = scenario.cluster.pods.iter().map(|pod| pod.deployment.as_str()).collect();
        names.dedup();
        let profile = |name: &&str| {
            let entry = document.profiles.iter().find(|entry| entry.deployment.to_string() == **name);
            entry.map(|entry| entry.profile.clone())
        };
        let deployments = names.iter().map(profile).collect();
        let of = |name: &str| names.iter().position(|known| *known == name).unwrap_or_default();
        let pods = scenario.cluster.pods.iter().map(|pod| of(&pod.deployment)).collect();
        let mut this = Self::over(deployments, pods, rules, seed, now);
        for Demand { arrival, .. } in past.iter().filter(|_| !rules.cold) {
            this.predictor.add(arrival.prompt_tokens, arrival.output_tokens, now);
        }
        Ok(this)
    }

    /// Over these deployments' profiles, and pods by their deployment.
    pub(super) fn over(
        profiles: Vec<Option<Profile>>,
        pods: Vec<usize>,
        rules: Rules,
        seed: u64,
        now: Instant,
    ) -> Self {
        let deployment = |profile| Deployment { profile, capacity: Capacity::default() };
        Self {
            rules,
            deployments: profiles.into_iter().map(deployment).collect(),
            pods: pods.into_iter().map(|deployment| Pod { deployment, ..Pod::default() }).collect(),
            queue: SloQueue::default(),
            predictor: Predictor::new(WINDOW, now),
            rng: fastrand::Rng::with_seed(seed),
            running: HashMap::new(),
            trigger: None,
            polls_at: Instant::FAR_FUTURE,
            patience: VecDeque::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn utilisation(&self, pod: usize) -> f64 {
        self.pods[pod].utilisation
    }

    fn judge(&mut self) -> Judge<'_> {
        Judge { rules: &self.rules, predictor: &self.predictor, rng: &mut self.rng }
    }

    /// Serves heads until nothing more can be done.
    fn serve(&mut self, list: &[usize], now: Instant) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        loop {
            let (key, pod) = match self.look(list, now) {
                Look::Place(key, pod) => (key, Some(pod)),
                Look::Fail(key) => (key, None),
                Look::Wait => return verdicts,
            };
            let head = self.queue.heads().into_iter().find(|(head, _)| *head == key);
            let (Some((_, id)), Some(queued)) = (head, self.queue.pop(key)) else { return verdicts };
            if queued.cancelled {
                continue;
            }
            verdicts.push(match pod {
                Some(pod) => self.place(id, &queued, pod, now),
                None => Verdict::Refuse(id, RefusalReason::Infeasible),
            });
        }
    }

    /// AIBrix's Peek: ranks all heads and tries them in order.
    pub(super) fn look(&mut self, list: &[usize], now: Instant) -> Look {
        let heads = self.queue.heads();
        let Some((earliest, _)) = queue::earliest(&self.queue, &heads) else { return Look::Wait };
        let Some(mut candidates) = self.ranked(&heads, list, now) else {
            return self.fewest_running(list).map_or(Look::Fail(earliest), |pod| Look::Place(earliest, pod));
        };
        queue::order(&mut candidates, self.rules.overdue);
        for candidate in candidates {
            if self.rules.overdue == Overdue::Shed && candidate.rank_s() > 0.0 {
                return Look::Fail(candidate.key);
            }
            match self.route(&candidate, list) {
                Ok(pod) => return Look::Place(candidate.key, pod),
                Err(Failure::CapacityReached) => {}
                Err(Failure::Unservable(_) | Failure::NoPod) => return Look::Fail(candidate.key),
            }
        }
        Look::Wait
    }

    /// The heads with their ranks. `None` if there is no profile, or if a single rank could not be told: then all ranks
    /// are thrown away, and the queue is served first come, first served, by least-request.
    fn ranked(&mut self, heads: &[(Key, RequestNumber)], list: &[usize], now: Instant) -> Option<Vec<Candidate>> {
        let Self { rules, deployments, pods, queue, predictor, rng, .. } = self;
        let mut present: Vec<usize> = Vec::new();
        for deployment in list.iter().map(|pod| pods[*pod].deployment) {
            if !present.contains(&deployment) && deployments[deployment].profile.is_some() {
                present.push(deployment);
            }
        }
        if present.is_empty() {
            return None;
        }
        let mut judge = Judge { rules, predictor, rng };
        let candidate = |(key, id): &(Key, RequestNumber)| {
            let queued = queue.get(*id)?;
            let mut ranks = Vec::with_capacity(present.len());
            for deployment in &present {
                let profile = deployments[*deployment].profile.as_ref()?;
                ranks.push((judge.rank_s(queued, profile, now)?, *deployment));
            }
            ranks.sort_by(|(one, _), (other, _)| one.total_cmp(other));
            Some(Candidate { key: *key, id: *id, ranks })
        };
        heads.iter().map(candidate).collect()
    }

    /// Deployments from the one with most slack on; all but the first only while the objective can be met there. What the
    /// last one says counts.
    fn route(&mut self, candidate: &Candidate, list: &[usize]) -> Result<usize, Failure> {
        let Self { rules, deployments, pods, queue, predictor, rng, .. } = self;
        let mut judge = Judge { rules, predictor, rng };
        let mut result = Err(Failure::NoPod);
        let Some(queued) = queue.get(candidate.id) else { return result };
        for (position, (rank_s, deployment)) in candidate.ranks.iter().enumerate() {
            if position > 0 && *rank_s > 0.0 {
                break;
            }
            let Deployment { profile: Some(profile), capacity } = &deployments[*deployment] else { continue };
            let capacity = if rules.learned_capacity { capacity.get() } else { 1.0 };
            let own = list.iter().copied().filter(|pod| pods[*pod].deployment == *deployment);
            let loads = own.map(|pod| Load {
                pod,
                utilisation: pods[pod].utilisation,
                capacity,
                open_when_idle: rules.feasible,
            });
            let choice = sub_router::choose(rules.strategy, loads, || judge.load(queued, profile));
            result = match (choice, result) {
                (Ok(pod), _) => return Ok(pod),
                // Mended: one that is only full will have room again.
                (Err(_), Err(Failure::CapacityReached)) if rules.feasible => Err(Failure::CapacityReached),
                (failed, _) => failed,
            };
        }
        result
    }

    /// least-request, the fallback: it ignores capacity.
    fn fewest_running(&mut self, list: &[usize]) -> Option<usize> {
        let fewest = list.iter().map(|pod| self.pods[*pod].running).min()?;
        let least: Vec<_> = list.iter().filter(|pod| self.pods[**pod].running == fewest).collect();
        Some(*least[self.rng.usize(0..least.len())])
    }

    /// Charges by a new draw; a cell without a rate is free.
    fn place(&mut self, id: RequestNumber, queued: &Queued, pod: usize, now: Instant) -> Verdict {
        let Self { rules, deployments, pods, predictor, rng, .. } = self;
        let profile = deployments[pods[pod].deployment].profile.as_ref();
        let mut judge = Judge { rules, predictor, rng };
        let charged = profile.map_or(0.0, |profile| judge.load(queued, profile).unwrap_or(0.0));
        pods[pod].utilisation += charged;
        pods[pod].running += 1;
        self.running.insert(id, Running { pod, charged, waited: now.since(queued.arrived_at), slo: queued.slo });
        Verdict::Place(id, pod, Charge::from_micro((charged * 1e6) as u32))
    }

    fn in_order(&self) -> Vec<usize> {
        (0..self.pods.len()).collect()
    }
}

impl Gateway for Aibrix {
    fn arrive(&mut self, id: RequestNumber, demand: &Demand, now: Instant) -> Vec<Verdict> {
        let (input_tokens, truth) = (demand.arrival.prompt_tokens, demand.arrival.output_tokens);
        let mut judge = self.judge();
        let lengths = judge.lengths(input_tokens, truth);
        let queued = Queued { arrived_at: now, input_tokens, slo: demand.slo, lengths, cancelled: false };
        let length = judge.length(&queued);
        self.queue.push(id, length, queued);
        self.patience.push_back((now.after(TIMEOUT), id));
        if self.rules.wake {
            self.polls_at = self.polls_at.min(now.after(POLL));
        }
        // A new request brings the ready pods along, shuffled.
        let mut list = self.in_order();
        self.rng.shuffle(&mut list);
        self.serve(&list, now)
    }

    fn finish(&mut self, id: RequestNumber, outcome: Outcome, now: Instant) {
        let Some(Running { pod, charged, waited, slo }) = self.running.remove(&id) else { return };
        let Pod { deployment, utilisation, running } = &mut self.pods[pod];
        let [ttft, e2e] = [outcome.ttft, outcome.e2e].map(|time| time.saturating_sub(waited));
        let in_time = slo.kept(&Outcome { ttft, e2e, ..outcome });
        self.deployments[*deployment].capacity.learn(in_time, !self.queue.is_empty(), now);
        *utilisation -= charged;
        *running -= 1;
        if self.rules.wake || (charged != 0.0 && *utilisation < 1.0) {
            self.trigger = Some((now, self.in_order()));
        }
        self.predictor.add(outcome.shape.input_tokens, outcome.shape.output_tokens, now);
    }

    fn next_event_at(&self) -> Option<Instant> {
        let trigger = self.trigger.as_ref().map(|(at, _)| *at);
        let patience = self.patience.front().map(|(at, _)| *at);
        let poll = (self.polls_at < Instant::FAR_FUTURE).then_some(self.polls_at);
        trigger.into_iter().chain(patience).chain(poll).min()
    }

    fn advance(&mut self, now: Instant) -> Vec<Verdict> {
        if let Some((_, list)) = self.trigger.take_if(|(at, _)| *at <= now) {
            return self.serve(&list, now);
        }
        if self.polls_at <= now {
            self.polls_at = if self.queue.is_empty() { Instant::FAR_FUTURE } else { now.after(POLL) };
            return self.serve(&self.in_order(), now);
        }
        let Some((_, id)) = self.patience.pop_front_if(|(at, _)| *at <= now) else { return Vec::new() };
        if self.queue.get(id).is_none() {
            return Vec::new();
        }
        self.queue.cancel(id);
        vec![Verdict::Refuse(id, RefusalReason::WaitedTooLong)]
    }
}
