//! Which pods fail. A pod that refuses, resets before headers or answers 5xx is out for a second, doubling up to
//! half a minute, then probed by one request; never more than half of the pool is out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::scheduling::pool::PodId;
use crate::scheduling::time::Instant;
use crate::scheduling::view::Health;

/// How long a pod is out after its first failure.
const FIRST_OUT: Duration = Duration::from_secs(1);
/// How long it is out at most.
const LONGEST_OUT: Duration = Duration::from_secs(30);

/// The pods that fail; usually none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    pods: Vec<FailingPod>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FailingPod {
    id: PodId,
    /// Failures in a row, each after a time out.
    failures: u32,
    out_until: Instant,
    /// Until when a probe is waited for; its VM may have died with it.
    probed_until: Option<Instant>,
}

// === impl Failing ===

impl Failing {
    /// Whether no pod fails.
    pub fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    /// How many pods are out or probed.
    pub fn len(&self) -> usize {
        self.pods.len()
    }

    /// The pods that are out or probed.
    pub fn pods(&self) -> impl Iterator<Item = PodId> {
        self.pods.iter().map(|pod| pod.id)
    }

    /// Whether a pod takes requests.
    pub fn health(&self, id: PodId, now: Instant) -> Health {
        match self.pods.iter().find(|pod| pod.id == id) {
            None => Health::Up,
            Some(pod) if now < pod.out_until => Health::Out,
            Some(pod) if pod.probed_until.is_some_and(|until| now < until) => Health::Out,
            Some(_) => Health::Probe,
        }
    }

    /// Notes a failure. `pool` are the pods there are: of these at most half are out. Says whether the pod is out now;
    /// failures of requests that were sent before it was taken out change nothing.
    pub fn failed(&mut self, id: PodId, pool: &[PodId], now: Instant) -> bool {
        self.keep_to(pool);
        if let Some(pod) = self.pods.iter_mut().find(|pod| pod.id == id) {
            if now < pod.out_until {
                return false;
            }
            pod.failures = pod.failures.saturating_add(1);
            pod.probed_until = None;
            let out = FIRST_OUT.saturating_mul(1 << pod.failures.saturating_sub(1).min(16)).min(LONGEST_OUT);
            pod.out_until = now.after(out);
            return true;
        }
        if self.pods.len() >= most_out_of(pool) {
            return false;
        }
        self.pods.push(FailingPod { id, failures: 1, out_until: now.after(FIRST_OUT), probed_until: None });
        true
    }

    /// Forgets pods that are gone, and where a pool shrank to failing pods, half of these. Says whether any was.
    pub fn keep_to(&mut self, pool: &[PodId]) -> bool {
        let before = self.pods.len();
        self.pods.retain(|pod| pool.contains(&pod.id));
        self.pods.truncate(most_out_of(pool));
        self.pods.len() < before
    }

    /// Notes an answer that shows a pod to be well. Says whether it had been failing.
    pub fn recovered(&mut self, id: PodId) -> bool {
        let before = self.pods.len();
        self.pods.retain(|pod| pod.id != id);
        self.pods.len() < before
    }

    /// Takes the right to probe a pod with one request. `false`: somebody else has it, or the pod is well.
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
}

/// The rest must carry what these would.
const fn most_out_of(pool: &[PodId]) -> usize {
    pool.len() >> 1
}
