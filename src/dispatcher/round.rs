//! A round: read, decide, take the room, until nothing more can be placed.

use std::net::SocketAddr;
use std::rc::Rc;

use super::coordinator::Reading;
use super::{Action, Dispatcher, MOST_ACTIONS, Placement, RefusalReason};
use crate::scheduling::pod_load::PodLoads;
use crate::scheduling::policies::{Decision, PolicyKind};
use crate::scheduling::pool::{DeploymentId, Pod, PodId};
use crate::scheduling::prefix::PlacedPrompt;
use crate::scheduling::queue::LatePolicy;
use crate::scheduling::request::{Prospect, Request, RequestId, Unjudged};
use crate::scheduling::requests::RunningRequest;
use crate::scheduling::time::Instant;
use crate::scheduling::view::Health;
use crate::shared::store::Store;

/// Most requests that an attempt offers to the policies, in general and where pods are many.
const OFFERED: (usize, usize) = (128, 3);
/// Looks of requests at pods after which a round goes on another time.
const MOST_LOOKS: usize = 6_400;

/// Looks that an attempt may take for all that it offers.
const LOOKS_OF_ATTEMPT: usize = 3_200;

/// Looks that reading and writing the load of a VM on a pod counts as.
const LOOKS_OF_LOAD: usize = 4;

/// Looks that reading a request of another VM counts as.
const LOOKS_OF_READING: usize = 64;

/// Most attempts of a round after other VMs took the room; then it is left to the next one.
const MOST_CONTENDED_ATTEMPTS: u32 = 16;

/// A decision with what it was based on.
pub(super) struct Decided {
    pub(super) request: RequestId,
    pub(super) pod: Pod,
    /// `true` where the request shows that the pod is back.
    pub(super) probe: bool,
    /// Other pods that could take it, the best first.
    pub(super) alternatives: Vec<SocketAddr>,
}

// === impl Dispatcher ===

impl<S: Store> Dispatcher<S> {
    /// Refuses what waited too long or in vain, places what can be placed, and tells the other VMs
    /// what is left. Where a request just came, it alone may be refused.
    pub(super) fn run_round(&mut self, arriving: Option<RequestId>, now: Instant) -> Vec<Action> {
        // A VM that stalled may have been given up; it must not take room under a membership
        // that is gone.
        self.coordinator.beat(&self.pool, &self.requests, now);
        self.judge_anew();
        let mut actions = self.refuse_hopeless(arriving, now);
        let (mut contended, mut looks) = (0, 0_usize);
        let mut last = None;
        let pods = self.pool.pods().len().max(1);
        let (most, least) = OFFERED;
        let offered = LOOKS_OF_ATTEMPT.checked_div(pods).unwrap_or_default().clamp(least, most);
        while actions.len() < MOST_ACTIONS
            && contended < MOST_CONTENDED_ATTEMPTS
            && looks < MOST_LOOKS
            && self.requests.any_waits()
        {
            let most_decisions = MOST_ACTIONS.saturating_sub(actions.len());
            let (reading, mut decided, looked) = self.decide(offered, most_decisions, looks, now);
            looks = looked;
            let reading = last.insert(reading);
            if decided.is_empty() {
                looks = 0;
                break;
            }
            decided.truncate(most_decisions);
            let before = actions.len();
            self.commit(reading, decided, now, &mut actions);
            contended += u32::from(actions.len() == before);
        }
        let is_cut = actions.len() >= MOST_ACTIONS || contended >= MOST_CONTENDED_ATTEMPTS || looks >= MOST_LOOKS;
        if (is_cut && self.requests.any_waits()) || self.requests.is_outdated() {
            self.coordinator.wake_self();
        }
        let reading = last.unwrap_or_else(|| self.coordinator.read());
        self.tell_others(&reading, now);
        if !self.requests.any_waits() {
            // Else ticks come soon, and have more time for it than a round.
            self.tell_load(now);
        }
        actions
    }

    fn refuse_hopeless(&mut self, arriving: Option<RequestId>, now: Instant) -> Vec<Action> {
        let hopeless: Vec<(RequestId, RefusalReason)> = match arriving {
            Some(id) => {
                let request = self.requests.waiting(id);
                let is_late = |request: &Request| self.settings.late == LatePolicy::Reject && request.is_late(now);
                let reason = request.and_then(|request| match request {
                    _ if self.requests.is_expired(request, now) => Some(RefusalReason::WaitedTooLong),
                    _ if is_late(request) => Some(RefusalReason::Late),
                    _ => None,
                });
                reason.map(|reason| (id, reason)).into_iter().collect()
            }
            None => {
                let expired = self.requests.expired(now).map(|id| (id, RefusalReason::WaitedTooLong));
                let late = self.requests.to_reject(now).map(|id| (id, RefusalReason::Late));
                // By a profile that came while they waited; whoever comes is refused before it
                // waits.
                let rejects = if self.settings.reject_infeasible { MOST_ACTIONS } else { 0 };
                let infeasible = self.requests.infeasible().take(rejects).map(|id| (id, RefusalReason::Infeasible));
                // Some are hopeless for two reasons.
                expired.take(MOST_ACTIONS).chain(infeasible).chain(late.take(MOST_ACTIONS)).collect()
            }
        };
        let mut actions = Vec::new();
        for (id, reason) in hopeless {
            if actions.len() < MOST_ACTIONS && self.requests.take_waiting(id).is_some() {
                actions.push(self.refuse(id, reason, now));
            }
        }
        actions
    }

    /// Lets the policies decide on the most urgent requests, in the order of urgency: those of one
    /// policy that stand together are decided together, and other VMs' more urgent claims are left
    /// room first. A policy that goes by gains leaves it to those that are more urgent than all of
    /// its own. Returns the looks at pods that this callback has taken with it, so many of them
    /// before.
    fn decide(
        &mut self,
        offered: usize,
        most_decisions: usize,
        looks: usize,
        now: Instant,
    ) -> (Reading, Vec<Decided>, usize) {
        let pool = Rc::clone(&self.pool);
        self.requests.settle(now);
        let offered = self.requests.offer(now, offered);
        let reading = self.coordinator.read();
        let mut view = self.coordinator.view(&reading, &pool, &self.requests, self.knowledge.latency_models(), now);
        let vms = reading.membership().others(self.coordinator.fence(), now).count();
        let looks_at_pod = offered.len().saturating_add(vms.saturating_mul(LOOKS_OF_LOAD));
        let mut looks = looks.saturating_add(pool.pods().len().saturating_mul(looks_at_pod));
        let looks_at_runs = |id: &RequestId| self.requests.waiting(*id).is_some_and(|it| it.policy.looks_at_runs);
        if offered.iter().any(looks_at_runs) {
            let (requests, knowledge) = (&mut self.requests, &mut self.knowledge);
            let read = self.coordinator.show_runs(&mut view, &reading, requests, knowledge, now);
            looks = looks.saturating_add(read.saturating_mul(LOOKS_OF_READING));
        }
        let candidates: Vec<&Request> = offered.into_iter().filter_map(|id| self.requests.waiting(id)).collect();
        self.reserve(&mut view, &reading, now);
        let probes: Vec<bool> =
            (0..pool.pods().len()).map(|position| view.state(position).health == Health::Probe).collect();
        let elsewhere = reading.membership().waiting_elsewhere(self.coordinator.fence(), now);
        let in_other_gateways = u32::try_from(reading.wanted(now).len()).unwrap_or(u32::MAX);
        let waiting = self.waiting_here().saturating_add(elsewhere).saturating_add(in_other_gateways);
        let mut claims = self.coordinator.claims(&reading, now).into_iter().peekable();

        let mut decisions: Vec<Decision> = Vec::new();
        let mut rest = candidates.as_slice();
        while let Some(first) = rest.first().filter(|_| decisions.len() < most_decisions) {
            let urgency = self.requests.urgency(first, now);
            while let Some((claim, claimant)) = claims.next_if(|(claim, _)| claim.urgency < urgency) {
                let Some((pod, load)) = claim.fits(&view) else { continue };
                if self.coordinator.gives_way(claim, claimant, now) {
                    view.place(pod, load);
                }
            }
            let limit = claims.peek().map(|(claim, _)| claim.urgency);
            // A policy that goes by gains and not by urgency looks at all at once: in parts it
            // would take several times as long, and hold what its first part alone does not let it
            // place.
            let limit = limit.filter(|_| first.policy.kind != PolicyKind::Gain);
            let together = |request: &&&Request| {
                request.policy == first.policy && limit.is_none_or(|limit| self.requests.urgency(request, now) <= limit)
            };
            let count = rest.iter().take_while(together).count().max(1);
            let (run, others) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            let mut round = self.knowledge.round(now, &mut self.rng);
            (round.looks, round.waiting) = (looks, waiting);
            round.most_decisions = most_decisions.saturating_sub(decisions.len());
            decisions.extend(self.policies.get(first.policy).decide(&mut view, run, &mut round));
            looks = round.looks;
            rest = others;
        }
        let decided = decisions.into_iter().filter_map(|decision| {
            let pod = pool.pods().get(decision.pod)?.clone();
            let probe = probes.get(decision.pod).copied().unwrap_or_default();
            let request = self.requests.waiting(decision.request);
            let alternatives =
                request.map(|request| view.alternatives(request, &pod, self.settings.alternatives)).unwrap_or_default();
            Some(Decided { request: decision.request, pod, probe, alternatives })
        });
        let decided = decided.collect();
        (reading, decided, looks)
    }

    /// Takes the room that was decided on, all of it or none: where another VM was quicker, all
    /// stay in the queue.
    fn commit(&mut self, reading: &Reading, decided: Vec<Decided>, now: Instant, actions: &mut Vec<Action>) {
        let mut loads: Vec<(DeploymentId, PodLoads)> = Vec::new();
        let mut probed: Vec<PodId> = Vec::new();
        for Decided { request, pod, probe, .. } in &decided {
            let request = self.requests.waiting(*request);
            let Some(prospect) = request.and_then(|request| request.on(pod.deployment)) else { continue };
            if *probe {
                probed.push(pod.id);
            }
            let known = loads.iter().position(|(id, _)| *id == prospect.deployment_id);
            let position = known.unwrap_or_else(|| {
                loads.push((prospect.deployment_id, self.requests.load_on(prospect.deployment_id)));
                loads.len().saturating_sub(1)
            });
            if let Some((_, on_pods)) = loads.get_mut(position) {
                on_pods.entry(pod.id).or_default().charge(prospect.load);
            }
        }
        if self.coordinator.take_room(reading.number(), loads, &probed, now).is_err() {
            return;
        }
        for decision in decided {
            let request = self.requests.take_waiting(decision.request);
            actions.extend(request.and_then(|request| self.forward(request, decision, now)));
        }
    }

    /// Notes that a request runs, whose room is taken.
    pub(super) fn forward(&mut self, request: Request, decided: Decided, now: Instant) -> Option<Action> {
        let Decided { pod, probe, alternatives, .. } = decided;
        let prospect = *request.on(pod.deployment)?;
        let Prospect { load, slo, deployment_id, .. } = prospect;
        let stand_in = self.policies.get(request.policy).stand_in(&request, self.knowledge.latency_models());
        let is_seen = self.settings.looks_at_runs;
        let prompt = is_seen.then(|| self.knowledge.place(&request.arrival, pod.id, deployment_id)).flatten();
        let placement = Placement {
            address: pod.address,
            destination: pod.destination,
            alternatives,
            policy: stand_in.unwrap_or(request.policy),
            unjudged: request.unjudged.or(stand_in.map(|_| Unjudged::SpeedsUnknown)),
            waited: now.since(request.arrival.at),
            slo,
            load,
            late: request.is_late(now),
            infeasible: request.infeasible,
            clamped: request.clamped,
            foreign_slo: request.foreign_slo,
            expected_cache: prompt.as_ref().map(PlacedPrompt::expected_cache).unwrap_or_default(),
        };
        let (id, arrived_at) = (request.arrival.id, request.arrival.at);
        self.policies.get(request.policy).placed(id);
        let hit = prompt.as_ref().and_then(PlacedPrompt::hit).copied();
        let expected = self.knowledge.expected_prompt(request.arrival.shape.input_tokens, deployment_id, hit);
        let seen = is_seen.then(|| request.as_run(&prospect, expected.computed_tokens, now));
        let observation =
            is_seen.then(|| self.knowledge.latency_models_mut().placed(expected, (pod.id, deployment_id), now));
        self.requests.start(RunningRequest {
            arrival: request.arrival,
            pod: pod.id,
            deployment: deployment_id,
            load,
            seen,
            observation,
            prompt,
            probe,
        });
        self.note_load(arrived_at);
        Some(Action::Forward(id, placement))
    }
}
