//! A round: read, decide, take the room, until nothing more can be placed.

use std::net::SocketAddr;
use std::rc::Rc;

use super::reading::Reading;
use super::running::RunningRequest;
use super::{Action, Dispatcher, MOST_ACTIONS, Placement, RefusalReason};
use crate::scheduling::policies::{Decision, PolicyKind, Round};
use crate::scheduling::pool::{DeploymentId, Pod, PodId};
use crate::scheduling::queue::LatePolicy;
use crate::scheduling::request::{Prospect, Request, RequestId, Unjudged};
use crate::scheduling::time::Instant;
use crate::scheduling::view::Health;
use crate::shared::claim::Claim;
use crate::shared::ledger::Column;
use crate::shared::membership::Member;
use crate::shared::store::Store;

/// Most requests that an attempt offers to the policies, in general and where pods are many.
const OFFERED: (usize, usize) = (128, 8);
/// Looks of requests at pods after which a round goes on another time.
const MOST_LOOKS: usize = 16_000;

/// Looks that reading a request of another VM counts as.
const LOOKS_OF_READING: usize = 160;

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

/// Owner of a claim.
#[derive(Clone, Copy)]
enum Claimant<'a> {
    /// A VM of this gateway: it can be woken.
    Vm(&'a Member),
    /// Another gateway: it sees for itself.
    Gateway((u64, u64)),
}

// === impl Claimant ===

impl Claimant<'_> {
    /// Key by which equal claims are ordered.
    fn order(&self) -> (bool, u64) {
        match self {
            Self::Vm(member) => (false, member.fence.slot.into()),
            Self::Gateway((gateway, _)) => (true, *gateway),
        }
    }
}

// === impl Dispatcher ===

impl<S: Store> Dispatcher<S> {
    /// Refuses what waited too long or in vain, places what can be placed, and tells the other VMs
    /// what is left. Where a request just came, it alone may be refused.
    pub(super) fn run_round(&mut self, arriving: Option<RequestId>, now: Instant) -> Vec<Action> {
        // A VM that stalled may have been given up; it must not take room under a membership
        // that is gone.
        self.coordinator.beat(&self.pool, &mut self.running, now);
        self.judge_anew();
        let mut actions = self.refuse_hopeless(arriving, now);
        let (mut contended, mut looks) = (0, 0_usize);
        let mut last = None;
        let pods = self.pool.pods().len().max(1);
        let (most, least) = OFFERED;
        let offered = MOST_LOOKS.checked_div(pods).unwrap_or_default().clamp(least, most);
        while actions.len() < MOST_ACTIONS
            && contended < MOST_CONTENDED_ATTEMPTS
            && looks < MOST_LOOKS
            && !self.queue.is_empty()
        {
            let (reading, mut decided, looked) = self.decide(offered, looks, now);
            looks = looked;
            let reading = last.insert(reading);
            if decided.is_empty() {
                looks = 0;
                break;
            }
            decided.truncate(MOST_ACTIONS - actions.len());
            let before = actions.len();
            self.commit(reading, decided, now, &mut actions);
            contended += u32::from(actions.len() == before);
        }
        let is_cut = actions.len() >= MOST_ACTIONS || contended >= MOST_CONTENDED_ATTEMPTS || looks >= MOST_LOOKS;
        if (is_cut && !self.queue.is_empty()) || self.queue.is_outdated() {
            self.coordinator.wake_self();
        }
        let reading = last.unwrap_or_else(|| self.coordinator.read());
        self.tell_others(&reading.pool_state.membership, now);
        actions
    }

    fn refuse_hopeless(&mut self, arriving: Option<RequestId>, now: Instant) -> Vec<Action> {
        let hopeless: Vec<(RequestId, RefusalReason)> = match arriving {
            Some(id) => {
                let request = self.queue.get(id);
                let is_late = |request: &Request| self.settings.late == LatePolicy::Reject && request.is_late(now);
                let reason = request.and_then(|request| match request {
                    _ if self.queue.is_expired(request, now) => Some(RefusalReason::WaitedTooLong),
                    _ if is_late(request) => Some(RefusalReason::Late),
                    _ => None,
                });
                reason.map(|reason| (id, reason)).into_iter().collect()
            }
            None => {
                let expired = self.queue.expired(now).map(|id| (id, RefusalReason::WaitedTooLong));
                let late = self.queue.to_reject(now).map(|id| (id, RefusalReason::Late));
                // By a profile that came while they waited; whoever comes is refused before it
                // waits.
                let rejects = if self.settings.reject_infeasible { MOST_ACTIONS } else { 0 };
                let infeasible = self.queue.infeasible().take(rejects).map(|id| (id, RefusalReason::Infeasible));
                // Some are hopeless for two reasons.
                expired.take(MOST_ACTIONS).chain(infeasible).chain(late.take(MOST_ACTIONS)).collect()
            }
        };
        let mut actions = Vec::new();
        for (id, reason) in hopeless {
            if actions.len() < MOST_ACTIONS && self.queue.remove(id).is_some() {
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
    fn decide(&mut self, most: usize, looks: usize, now: Instant) -> (Reading, Vec<Decided>, usize) {
        let pool = Rc::clone(&self.pool);
        self.queue.settle(now);
        let offered = self.queue.offer(now, most);
        let candidates: Vec<&Request> = offered.into_iter().filter_map(|id| self.queue.get(id)).collect();
        let reading = self.coordinator.read();
        let membership = &reading.pool_state.membership;
        let fence = self.coordinator.fence();
        let mut view =
            reading.view(&pool, fence, &self.running, (&mut self.tally, &self.load_exchange.latency_models), now);
        let mut looks = looks.saturating_add(candidates.len().saturating_mul(pool.pods().len()));
        if candidates.iter().any(|request| request.policy.looks_at_runs) {
            let read = self.load_exchange.show(&mut view, &self.coordinator, membership, now);
            looks = looks.saturating_add(read.saturating_mul(LOOKS_OF_READING));
        }
        if let Some((aged, _)) = self.queue.aged(now).filter(|aged| self.may_reserve(*aged, membership, now)) {
            view.reserve_for(aged, now);
        }
        let probes: Vec<bool> =
            (0..pool.pods().len()).map(|position| view.state(position).health == Health::Probe).collect();
        let others = membership.others(fence, now);
        let mut claims: Vec<(&Claim, Claimant<'_>)> =
            others.filter_map(|member| member.claim.as_ref().map(|claim| (claim, Claimant::Vm(member)))).collect();
        let wanted = reading.wanted(now);
        claims.extend(wanted.iter().map(|wanted| (&wanted.claim, Claimant::Gateway(wanted.name))));
        claims.sort_by_key(|(claim, claimant)| (claim.urgency, claimant.order()));
        let elsewhere = membership.waiting_elsewhere(fence, now);
        let in_other_gateways = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        let waiting = self.waiting_here().saturating_add(elsewhere).saturating_add(in_other_gateways);
        let mut claims = claims.into_iter().peekable();

        let mut decisions: Vec<Decision> = Vec::new();
        let mut rest = candidates.as_slice();
        while let Some(first) = rest.first() {
            let urgency = self.queue.urgency(first, now);
            while let Some((claim, claimant)) = claims.next_if(|(claim, _)| claim.urgency < urgency) {
                let Some((pod, load)) = claim.fits(&view) else { continue };
                let gives_way = match claimant {
                    Claimant::Vm(member) => {
                        self.local_back_off.grants(member.fence, claim.urgency, now)
                            && self.coordinator.wake(member, now)
                    }
                    Claimant::Gateway(name) => self.peer_back_off.grants(name, now),
                };
                if gives_way {
                    view.place(pod, load);
                }
            }
            let limit = claims.peek().map(|(claim, _)| claim.urgency);
            // A policy that goes by gains and not by urgency looks at all at once: in parts it
            // would take several times as long, and hold what its first part alone does not let it
            // place.
            let limit = limit.filter(|_| first.policy.kind != PolicyKind::Gain);
            let together = |request: &&&Request| {
                request.policy == first.policy && limit.is_none_or(|limit| self.queue.urgency(request, now) <= limit)
            };
            let count = rest.iter().take_while(together).count().max(1);
            let (run, others) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            let mut round = Round::new(now, &mut self.rng, &mut self.load_exchange.latency_models);
            (round.looks, round.waiting) = (looks, waiting);
            decisions.extend(self.policies.get(first.policy).decide(&mut view, run, &mut round));
            looks = round.looks;
            rest = others;
        }
        let decided = decisions.into_iter().filter_map(|decision| {
            let pod = pool.pods().get(decision.pod)?.clone();
            let probe = probes.get(decision.pod).copied().unwrap_or_default();
            let request = self.queue.get(decision.request);
            let alternatives = request.map(|request| self.alternatives(request, &pod, &view)).unwrap_or_default();
            Some(Decided { request: decision.request, pod, probe, alternatives })
        });
        let decided = decided.collect();
        (reading, decided, looks)
    }

    /// Takes the room that was decided on, all of it or none: where another VM was quicker, all
    /// stay in the queue.
    fn commit(&mut self, reading: &Reading, decided: Vec<Decided>, now: Instant, actions: &mut Vec<Action>) {
        let mut columns: Vec<(DeploymentId, Column)> = Vec::new();
        let mut probed: Vec<PodId> = Vec::new();
        for Decided { request, pod, probe, .. } in &decided {
            let request = self.queue.get(*request);
            let Some(prospect) = request.and_then(|request| request.on(pod.deployment)) else { continue };
            if *probe {
                probed.push(pod.id);
            }
            let known = columns.iter().position(|(id, _)| *id == prospect.deployment_id);
            let position = known.unwrap_or_else(|| {
                columns.push((prospect.deployment_id, self.running.column(prospect.deployment_id)));
                columns.len().saturating_sub(1)
            });
            if let Some((_, column)) = columns.get_mut(position) {
                column.entry(pod.id).or_default().charge(prospect.load);
            }
        }
        if self.coordinator.take_room(reading.number, columns, &probed, now).is_err() {
            return;
        }
        for decision in decided {
            let request = self.queue.remove(decision.request);
            actions.extend(request.and_then(|request| self.forward(request, decision, now)));
        }
    }

    /// Notes that a request runs, whose room is taken.
    pub(super) fn forward(&mut self, request: Request, decided: Decided, now: Instant) -> Option<Action> {
        let Decided { pod, probe, alternatives, .. } = decided;
        let prospect = *request.on(pod.deployment)?;
        let Prospect { load, slo, deployment_id, .. } = prospect;
        let seen = self.settings.looks_at_runs.then(|| request.as_run(&prospect, now));
        let stand_in = self.policies.get(request.policy).stand_in(&request, &self.load_exchange.latency_models);
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
        };
        let id = request.arrival.id;
        self.policies.get(request.policy).placed(id);
        if seen.is_some() {
            let prompt_tokens = request.arrival.shape.input_tokens;
            self.load_exchange.latency_models.placed(id, prompt_tokens, (pod.id, deployment_id), now);
        }
        let run =
            RunningRequest { pod: pod.id, deployment: deployment_id, load, arrival: request.arrival, seen, probe };
        self.load_exchange.runs(id, &run);
        self.running.insert(id, run);
        self.tell_load(now);
        Some(Action::Forward(id, placement))
    }
}
