//! The pool as one round sees it: what runs on each pod, and which pods are open.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::rc::Rc;

use super::allowance::Allowance;
use super::load::Load;
use super::pool::{ModelId, Pod, PodId, Pool};
use super::request::{Prospect, Request, RequestId};
use super::run::Run;
use super::time::Instant;

/// Load to which a late request may fill a pod, where a policy holds what finds no room. What is
/// left is for the requests that come and can still be in time. Beyond saturation less keeps as
/// much, just below it the late ones then wait for nothing.
const LATE_TO: Load = Load::from_micro(800_000);

/// Health of a pod: the requests that it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It does.
    #[default]
    Up,
    /// It failed and its time out is over: it takes one request, which shows whether it is back.
    Probe,
    /// It failed, or another request probes it.
    Out,
}

/// State of one pod, as a round knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodState {
    /// Sum of the pending loads of what runs on it, over all VMs.
    pub load: Load,
    /// Requests in flight on it, over all VMs.
    pub in_flight: u32,
    /// The most requests that it sustains at once, as far as that was learned.
    pub sustained: Option<u32>,
    /// Health of the pod.
    pub health: Health,
    /// Another VM's request that has waited too long has it drained.
    pub reserved: bool,
    /// Share of its room that this gateway may take, where others take from it too.
    pub allowance: Allowance,
}

/// Pods and their states, kept up to date by the placements of the round.
#[derive(Debug)]
pub struct View<'a> {
    pool: &'a Pool,
    states: Vec<PodState>,
    /// Requests on each pod, where the round was given them.
    runs: OnPods,
    /// Models that pods were found to lack.
    missing: Vec<(PodId, ModelId)>,
    /// A pod that drains for a request of this VM.
    reservation: Option<(RequestId, usize)>,
    /// `true` where the deployments' bounds do not count, since what is placed is not counted by
    /// them.
    is_unbounded: bool,
}

/// Requests on each pod, in the order of the pool. Clones share it until one is changed.
#[derive(Clone, Debug, Default)]
pub struct OnPods(Rc<Vec<Rc<Vec<Run>>>>);

/// A pod that may run a request.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'v> {
    /// Position in [`Pool::pods`].
    pub position: usize,
    /// The pod.
    pub pod: &'v Pod,
    /// State of the pod.
    pub state: PodState,
    /// Prospect of the request there.
    pub prospect: &'v Prospect,
}

// === impl PodState ===

impl PodState {
    /// Returns `true` if the pod is up, or waits for a request that shows whether it is.
    pub fn takes(&self) -> bool {
        self.health != Health::Out
    }

    /// Returns `true` if it sustains one more request, as far as that was learned.
    pub fn sustains_more(&self) -> bool {
        self.sustained.is_none_or(|most| self.in_flight < most)
    }

    /// Returns `true` if it has room for so much more, and this gateway may take it.
    pub fn has_room_for(&self, load: Load) -> bool {
        self.sustains_more() && self.load.fits(load) && self.allowance.allows(load)
    }

    /// Returns `true` if it is empty enough for so much more that comes too late for its objective.
    pub fn has_room_for_late(&self, load: Load) -> bool {
        self.has_room_for(load) && self.stays_within(load, LATE_TO)
    }

    /// Returns `true` if so much more, for one request, fills it no further than to `most`; an idle
    /// pod takes anything.
    pub fn stays_within(&self, load: Load, most: Load) -> bool {
        let share = |sustained| Load::CAPACITY.share(sustained).times(self.in_flight.saturating_add(1));
        self.load == Load::ZERO
            || (self.load + load <= most && self.sustained.is_none_or(|sustained| share(sustained) <= most))
    }
}

// === impl OnPods ===

impl OnPods {
    /// Returns the requests on the pod at `position`.
    pub fn at(&self, position: usize) -> &[Run] {
        self.0.get(position).map(|runs| runs.as_slice()).unwrap_or_default()
    }

    /// The same, to change it.
    pub fn at_mut(&mut self, position: usize) -> Option<&mut Vec<Run>> {
        Rc::make_mut(&mut self.0).get_mut(position).map(Rc::make_mut)
    }
}

impl From<Vec<Vec<Run>>> for OnPods {
    fn from(runs: Vec<Vec<Run>>) -> Self {
        Self(Rc::new(runs.into_iter().map(Rc::new).collect()))
    }
}

// === impl View ===

impl<'a> View<'a> {
    /// `states` has one entry for each pod, in the order of the pool.
    pub fn new(pool: &'a Pool, mut states: Vec<PodState>) -> Self {
        states.resize(pool.pods().len(), PodState::default());
        let runs = OnPods::default();
        Self { pool, states, runs, missing: Vec::new(), reservation: None, is_unbounded: false }
    }

    /// The same, for what is not charged.
    #[must_use]
    pub fn unbounded(self) -> Self {
        Self { is_unbounded: true, ..self }
    }

    /// The pool.
    pub fn pool(&self) -> &'a Pool {
        self.pool
    }

    /// Tells what runs on each pod, in the order of the pool.
    pub fn tell_runs(&mut self, runs: impl Into<OnPods>) {
        self.runs = runs.into();
    }

    /// Tells which models pods were found to lack.
    pub fn tell_missing(&mut self, missing: impl Iterator<Item = (PodId, ModelId)>) {
        self.missing.extend(missing);
    }

    /// Returns the requests on the pod at `position`, those included that the round has placed.
    pub fn runs(&self, position: usize) -> &[Run] {
        self.runs.at(position)
    }

    /// Notes what a request that the round has placed is on its pod.
    pub fn add_run(&mut self, position: usize, run: Run) {
        if let Some(runs) = self.runs.at_mut(position) {
            runs.push(run);
        }
    }

    /// Returns the state of the pod at `position`.
    pub fn state(&self, position: usize) -> PodState {
        self.states.get(position).copied().unwrap_or_default()
    }

    /// Lets a pod drain for a request that has waited too long: of those that deserve it the one
    /// with room soonest.
    pub fn reserve_for(&mut self, request: &Request, now: Instant) -> Option<usize> {
        let deserves = |candidate: &Candidate<'_>| {
            request.worth_trying(now).any(|prospect| prospect.deployment == candidate.prospect.deployment)
        };
        let (position, _) = self
            .serving(request)
            .filter(|candidate| candidate.prospect.bounded && !candidate.state.reserved && deserves(candidate))
            .map(|candidate| (candidate.position, candidate.state.load + candidate.prospect.load))
            .min_by_key(|(position, filled)| (*filled, *position))?;
        self.reservation = Some((request.arrival.id, position));
        Some(position)
    }

    /// Returns `true` if the pod at `position` drains for a request, of this VM or another.
    pub fn is_reserved(&self, position: usize) -> bool {
        self.state(position).reserved || self.reservation.is_some_and(|(_, reserved)| reserved == position)
    }

    /// The pod at `position`, if it serves a request and is up.
    pub fn candidate<'v>(&'v self, request: &'v Request, position: usize) -> Option<Candidate<'v>> {
        let pod = self.pool.pods().get(position)?;
        let state = self.state(position);
        let is_open = state.takes() && !self.is_full(pod, state);
        let open = is_open && request.audience.contains(position) && !self.lacks(pod, request);
        let prospect = request.on(pod.deployment).filter(|_| open)?;
        Some(Candidate { position, pod, state, prospect })
    }

    /// Returns `true` if a candidate has room for a request; pods that drain for another one have
    /// none.
    pub fn has_room(&self, request: &Request, candidate: &Candidate<'_>) -> bool {
        !candidate.prospect.bounded
            || (candidate.state.has_room_for(candidate.prospect.load) && !self.is_kept_from(request, candidate))
    }

    /// The pods that serve a request and are up, whatever runs on them.
    pub fn serving<'v>(&'v self, request: &'v Request) -> impl Iterator<Item = Candidate<'v>> {
        request.audience.pods().iter().filter_map(move |position| self.candidate(request, *position))
    }

    /// Of those, the ones with room for it.
    pub fn with_room<'v>(&'v self, request: &'v Request) -> impl Iterator<Item = Candidate<'v>> {
        self.serving(request).filter(move |candidate| self.has_room(request, candidate))
    }

    /// Returns up to `most` pods to try after `chosen`: those with room first, then those of its
    /// own deployment, then the emptiest.
    pub fn alternatives(&self, request: &Request, chosen: &Pod, most: usize) -> Vec<SocketAddr> {
        if most == 0 {
            return Vec::new();
        }
        let mut others: Vec<_> = self
            .serving(request)
            .filter(|other| other.pod.id != chosen.id && other.state.health == Health::Up)
            .map(|other| {
                let has_room = !other.prospect.bounded || other.state.has_room_for(other.prospect.load);
                let is_kin = other.pod.deployment == chosen.deployment;
                (Reverse((has_room, is_kin)), other.state.load, other.state.in_flight, other.pod.address)
            })
            .collect();
        others.sort_unstable();
        others.into_iter().take(most).map(|(.., address)| address).collect()
    }

    /// Notes that a request goes to a pod, for the rest of the round.
    pub fn place(&mut self, position: usize, load: Load) {
        if let Some(state) = self.states.get_mut(position) {
            state.load += load;
            state.allowance.take(load);
            state.in_flight = state.in_flight.saturating_add(1);
            if state.health == Health::Probe {
                state.health = Health::Out;
            }
        }
    }

    /// Returns `true` if as many requests run on it as its deployment's bound lets.
    fn is_full(&self, pod: &Pod, state: PodState) -> bool {
        let deployment = self.pool.deployments().get(pod.deployment).filter(|_| !self.is_unbounded);
        deployment.and_then(|deployment| deployment.max_concurrent_requests).is_some_and(|most| state.in_flight >= most)
    }

    fn lacks(&self, pod: &Pod, request: &Request) -> bool {
        !self.missing.is_empty() && self.missing.contains(&(pod.id, ModelId::of(&request.arrival.model)))
    }

    fn is_kept_from(&self, request: &Request, candidate: &Candidate<'_>) -> bool {
        candidate.state.reserved
            || self
                .reservation
                .is_some_and(|(holder, position)| position == candidate.position && holder != request.arrival.id)
    }
}

#[cfg(test)]
mod tests;
