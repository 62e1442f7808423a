//! A pass: read, decide, take the room, until nothing more can be placed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use super::reading::Reading;
use super::running::Run;
use super::{Action, Dispatcher, MOST_ACTIONS, Placement, RefusalReason};
use crate::scheduling::policies::{Decision, Observation, Pass};
use crate::scheduling::pool::Pod;
use crate::scheduling::request::{Prospect, Request, RequestId};
use crate::scheduling::time::Instant;
use crate::scheduling::view::Health;
use crate::shared::claim::Claim;
use crate::shared::directory::Seat;
use crate::shared::health::Failing;
use crate::shared::store::Store;
use crate::shared::update;

/// How many requests of each footprint a round offers to the policies.
const DEPTH: usize = 8;

/// How often a pass decides again after other VMs took the room; then it is left to the next one.
const MOST_CONTENDED_ROUNDS: u32 = 16;

/// A decision with what it was based on.
struct Decided {
    request: RequestId,
    pod: Pod,
    /// Whether the request shows that the pod is back.
    probe: bool,
    /// Other pods that could take it, the best first.
    alternatives: Vec<SocketAddr>,
}

// === impl Dispatcher ===

impl<S: Store> Dispatcher<S> {
    /// Refuses what waited too long, places what can be placed, and tells the other VMs what is left. Where a request just
    /// came, it alone may be refused.
    pub(super) fn pass(&mut self, arriving: Option<RequestId>, now: Instant) -> Vec<Action> {
        // A VM that stalled may have been given up; it must not take room under a seat that is gone.
        self.membership.beat(&self.pool, &mut self.running, now);
        let mut actions = self.refuse_overdue(arriving, now);
        let mut contended = 0;
        let mut directory = None;
        while actions.len() < MOST_ACTIONS && contended < MOST_CONTENDED_ROUNDS && !self.queue.is_empty() {
            let (mut reading, mut decided) = self.decide(now);
            directory = Some(std::mem::take(&mut reading.directory));
            if decided.is_empty() {
                break;
            }
            decided.truncate(MOST_ACTIONS - actions.len());
            let before = actions.len();
            self.commit(reading, decided, now, &mut actions);
            contended += u32::from(actions.len() == before);
        }
        if (actions.len() >= MOST_ACTIONS || contended >= MOST_CONTENDED_ROUNDS) && !self.queue.is_empty() {
            self.membership.wake_self();
        }
        let directory = directory.unwrap_or_else(|| self.membership.directory());
        self.tell_others(&directory, now);
        actions
    }

    fn refuse_overdue(&mut self, arriving: Option<RequestId>, now: Instant) -> Vec<Action> {
        let expired = self.queue.expired(now).into_iter().map(|id| (id, RefusalReason::WaitedTooLong));
        let late = self.queue.to_reject(now).into_iter().map(|id| (id, RefusalReason::Late));
        let overdue = expired.chain(late).filter(|(id, _)| arriving.is_none_or(|arriving| arriving == *id));
        let overdue: Vec<(RequestId, RefusalReason)> = overdue.take(MOST_ACTIONS).collect();
        let mut actions = Vec::new();
        for (id, reason) in overdue {
            if self.queue.remove(id).is_some() {
                actions.push(self.refuse(id, reason, now));
            }
        }
        actions
    }

    /// Lets the policies decide on the most urgent requests, in the order of urgency: those of one policy that stand
    /// together are decided together, and other VMs' more urgent claims are left room first.
    fn decide(&mut self, now: Instant) -> (Reading, Vec<Decided>) {
        let pool = Rc::clone(&self.pool);
        self.queue.settle(now);
        let candidates = self.queue.candidates(now, DEPTH);
        let wanted = candidates.iter().flat_map(|request| request.prospects.iter().map(|on| on.deployment));
        let reading = Reading::take(&self.membership, &pool, wanted, now);
        let ticket = self.membership.ticket();
        let mut view = reading.view(&pool, ticket, |deployment| self.running.column(&deployment.name), now);
        if candidates.iter().any(|request| request.policy.looks_at_runs()) {
            view.tell_runs(self.running.by_pod(&pool));
        }
        if let Some((aged, _)) = self.queue.aged(now).filter(|aged| self.may_reserve(*aged, &reading.directory, now)) {
            view.reserve_for(aged, now);
        }
        let probes: Vec<bool> =
            (0..pool.pods().len()).map(|position| view.state(position).health == Health::Probe).collect();
        let others = reading.directory.others(ticket, now);
        let mut claims: Vec<(&Claim, &Seat)> =
            others.filter_map(|seat| seat.claim.as_ref().map(|claim| (claim, seat))).collect();
        claims.sort_by_key(|(claim, seat)| (claim.urgency, seat.ticket.slot));
        let mut claims = claims.into_iter().peekable();

        let mut decisions: Vec<Decision> = Vec::new();
        let mut rest = candidates.as_slice();
        while let Some(first) = rest.first() {
            let urgency = self.queue.urgency(first, now);
            while let Some((claim, seat)) = claims.next_if(|(claim, _)| claim.urgency < urgency) {
                if let Some((pod, load)) = claim.fits(&view)
                    && self.yields.grants(seat.ticket, claim.urgency, now)
                    && self.membership.wake(seat, now)
                {
                    view.place(pod, load);
                }
            }
            let limit = claims.peek().map(|(claim, _)| claim.urgency);
            let together = |request: &&&Request| {
                request.policy == first.policy && limit.is_none_or(|limit| self.queue.urgency(request, now) <= limit)
            };
            let count = rest.iter().take_while(together).count().max(1);
            let (run, others) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            let mut pass = Pass { now, rng: &mut self.rng };
            decisions.extend(self.policies.get(first.policy).pass(&mut view, run, &mut pass));
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
        (reading, decided)
    }

    /// Takes the room that was decided on. What another VM took meanwhile stays in the queue.
    fn commit(&mut self, mut reading: Reading, decided: Vec<Decided>, now: Instant, actions: &mut Vec<Action>) {
        let mut by_deployment: BTreeMap<usize, Vec<Decided>> = BTreeMap::new();
        for decision in decided {
            if !decision.probe || self.begin_probe(&decision.pod, now) {
                by_deployment.entry(decision.pod.deployment).or_default().push(decision);
            }
        }
        let pool = Rc::clone(&self.pool);
        for (position, decisions) in by_deployment {
            let (Some(deployment), Some(read)) = (pool.deployments().get(position), reading.take_ledger(position))
            else {
                continue;
            };
            let mut column = self.running.column(&deployment.name);
            for decision in &decisions {
                let request = self.queue.get(decision.request);
                if let Some(prospect) = request.and_then(|request| request.on(position)) {
                    column.entry(decision.pod.id).or_default().charge(prospect.load);
                }
            }
            if self.membership.take_room(&deployment.name, read, &column).is_err() {
                let probes = decisions.iter().filter(|decision| decision.probe);
                probes.for_each(|decision| self.end_probe(&decision.pod));
                continue;
            }
            for decision in decisions {
                actions.extend(self.forward(decision, deployment.name.clone(), now));
            }
        }
    }

    /// Moves a request whose room is taken from the queue to the table of what runs.
    fn forward(
        &mut self,
        decided: Decided,
        deployment: crate::scheduling::deployment::DeploymentName,
        now: Instant,
    ) -> Option<Action> {
        let request = self.queue.remove(decided.request)?;
        let prospect = *request.on(decided.pod.deployment)?;
        let Prospect { load, slo, deployment_id, .. } = prospect;
        let placed = Observation::Placed(&request, decided.pod.id, deployment_id);
        self.policies.observe(&placed, now);
        let seen = self.policies.look_at_runs().then(|| request.as_run(&prospect, now));
        let placement = Placement {
            address: decided.pod.address,
            alternatives: decided.alternatives,
            policy: request.policy,
            unjudged: request.unjudged,
            waited: now.since(request.arrival.at),
            slo,
            load,
            late: request.is_late(now),
            infeasible: request.infeasible,
            clamped: request.clamped,
            foreign_slo: request.foreign_slo,
        };
        let run = Run { pod: decided.pod.id, deployment, load, arrival: request.arrival, seen, probe: decided.probe };
        self.running.insert(decided.request, run);
        Some(Action::Forward(decided.request, placement))
    }

    fn begin_probe(&self, pod: &Pod, now: Instant) -> bool {
        let key = self.membership.keys.health();
        let begin = |failing: &mut Failing| failing.begin_probe(pod.id, now).then_some(());
        update(&self.membership.store, key, begin) == Ok(Some(()))
    }

    /// Gives the right to probe back: the request did not go there.
    fn end_probe(&self, pod: &Pod) {
        let end = |failing: &mut Failing| failing.end_probe(pod.id).then_some(());
        // If it fails, the right runs out by itself.
        let _ = update(&self.membership.store, self.membership.keys.health(), end);
    }
}
