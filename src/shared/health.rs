//! Health of pods. A pod that refuses, resets before headers, answers 5xx or an error within a 200
//! is out for a second, doubling up to half a minute, then probed by one request; so is one that
//! breaks off or stays silent again and again, or errs in a good part of what it does. One that
//! says that it is full is out for as long as it says. Never more than half of the pool is out.

mod bounds;
mod missing;
mod sign;
mod suspects;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::bounds::{FIRST_OUT, LONGEST_OUT, most_out_of};
pub use self::missing::Missing;
pub use self::sign::Sign;
use self::suspects::Suspects;
use crate::scheduling::pool::PodId;
use crate::scheduling::time::Instant;
use crate::scheduling::view::Health;

/// The pods that fail; usually none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    pods: Vec<FailingPod>,
    suspects: Suspects,
    /// The models that pods lack.
    pub missing: Missing,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FailingPod {
    id: PodId,
    since: Instant,
    /// Failures in a row, each after a time out; none for a pod that is full.
    failures: u32,
    out_until: Instant,
    /// Until when a probe is waited for; its VM may have died with it.
    probed_until: Option<Instant>,
}

/// Change of a pod's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is out, for the first time in a row.
    Out,
    /// It is full.
    Full(Duration),
    /// It is back, and was not there since then.
    Back(Instant),
    /// It lacks a model.
    Lacks,
    /// Something that is of no interest outside.
    Noted,
}

// === impl Failing ===

impl Failing {
    /// Returns `true` if no pod is out.
    pub fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    /// Number of pods that are out or probed.
    pub fn len(&self) -> usize {
        self.pods.len()
    }

    /// The pods that are out or probed.
    pub fn pods(&self) -> impl Iterator<Item = PodId> {
        self.pods.iter().map(|pod| pod.id)
    }

    /// Health of a pod: it takes requests, one probe or nothing.
    pub fn health(&self, id: PodId, now: Instant) -> Health {
        match self.pods.iter().find(|pod| pod.id == id) {
            None => Health::Up,
            Some(pod) if now < pod.out_until => Health::Out,
            Some(pod) if pod.probed_until.is_some_and(|until| now < until) => Health::Out,
            Some(_) => Health::Probe,
        }
    }

    /// Notes what was seen of a pod. `pool` are the pods there are: of these at most half are out.
    /// `None`: nothing changed; failures of requests that were sent before it was taken out change
    /// nothing.
    pub fn note(&mut self, id: PodId, sign: Sign, pool: &[PodId], now: Instant) -> Option<Change> {
        match sign {
            Sign::Nothing => None,
            Sign::Well => {
                let changed = self.suspects.answered_well(id);
                self.back(id, now).or(changed.then_some(Change::Noted))
            }
            Sign::There => {
                let cleared = self.suspects.heard(id);
                self.back(id, now).or(cleared.then_some(Change::Noted))
            }
            Sign::Failed => self.failed(id, pool, now),
            Sign::Full(time) => {
                self.suspects.heard(id);
                self.full(id, time, pool, now)
            }
            Sign::BrokeOff | Sign::Erred | Sign::Silent => {
                let is_known = self.pods.iter().any(|pod| pod.id == id);
                let is_enough = self.suspects.count(id, sign, pool);
                let failed = (is_known || is_enough).then(|| self.failed(id, pool, now)).flatten();
                failed.or(Some(Change::Noted))
            }
        }
    }

    /// Forgets pods that are gone, and where a pool shrank to failing pods, half of these. Says
    /// whether any was.
    pub fn keep_to(&mut self, pool: &[PodId]) -> bool {
        let before = self.pods.len();
        self.pods.retain(|pod| pool.contains(&pod.id));
        self.pods.truncate(most_out_of(pool));
        self.pods.len() < before
    }

    /// Takes the right to probe a pod with one request. `false`: somebody else has it, or the pod
    /// is well.
    pub fn begin_probe(&mut self, id: PodId, now: Instant) -> bool {
        if self.health(id, now) != Health::Probe {
            return false;
        }
        if let Some(pod) = self.pods.iter_mut().find(|pod| pod.id == id) {
            pod.probed_until = Some(now.after(LONGEST_OUT));
        }
        true
    }

    /// Gives the right to probe back: the probe ended without showing anything.
    pub fn end_probe(&mut self, id: PodId) -> bool {
        self.pods.iter_mut().find(|pod| pod.id == id).is_some_and(|pod| pod.probed_until.take().is_some())
    }

    fn failed(&mut self, id: PodId, pool: &[PodId], now: Instant) -> Option<Change> {
        if let Some(pod) = self.pods.iter_mut().find(|pod| pod.id == id) {
            if now < pod.out_until {
                return None;
            }
            pod.failures = pod.failures.saturating_add(1);
            pod.probed_until = None;
            let out = FIRST_OUT.saturating_mul(1 << pod.failures.saturating_sub(1).min(16)).min(LONGEST_OUT);
            pod.out_until = now.after(out);
            return Some(if pod.failures == 1 { Change::Out } else { Change::Noted });
        }
        self.add(FailingPod { id, since: now, failures: 1, out_until: now.after(FIRST_OUT), probed_until: None }, pool)
            .then_some(Change::Out)
    }

    /// Takes a full pod out until a probe shows room: its requests may end meanwhile without a sign
    /// that new ones fit.
    fn full(&mut self, id: PodId, time: Duration, pool: &[PodId], now: Instant) -> Option<Change> {
        let time = time.min(LONGEST_OUT);
        let out_until = now.after(time);
        if let Some(pod) = self.pods.iter_mut().find(|pod| pod.id == id) {
            pod.probed_until = None;
            if pod.out_until >= out_until {
                return None;
            }
            pod.out_until = out_until;
            return Some(Change::Noted);
        }
        self.add(FailingPod { id, since: now, failures: 0, out_until, probed_until: None }, pool)
            .then_some(Change::Full(time))
    }

    /// Takes a pod out, unless it would be one too many, or is gone.
    fn add(&mut self, pod: FailingPod, pool: &[PodId]) -> bool {
        self.keep_to(pool);
        let may = pool.contains(&pod.id) && self.pods.len() < most_out_of(pool);
        if may {
            self.pods.push(pod);
        }
        may
    }

    /// An answer shows a pod to be well.
    fn back(&mut self, id: PodId, now: Instant) -> Option<Change> {
        let pod = self.pods.iter().find(|pod| pod.id == id)?;
        if pod.failures == 0 && now < pod.out_until {
            // It is full, and what ended was there before.
            return None;
        }
        let since = pod.since;
        self.pods.retain(|pod| pod.id != id);
        Some(Change::Back(since))
    }
}
