//! Excess of what runs on a pod over what it sustains.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use slo_router::scheduling::time::Instant;

/// Shorter than this, a pod is not overfull: a gateway hears of an answer's end before its pod does.
const BLINK: Duration = Duration::from_millis(5);

/// Follows the number of requests on a pod.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Mutex<Reading>>);

/// Excess of what ran on pods over what they sustain.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Excess {
    /// Seconds of pods that were overfull.
    pub seconds: f64,
    /// The same times by how much, as a share of a pod.
    pub pod_seconds: f64,
    /// The most at once on one pod, as a share of it.
    pub most: f64,
    /// The longest time that a pod was overfull without a break.
    pub longest_s: f64,
}

#[derive(Debug)]
struct Reading {
    sustained: usize,
    requests: usize,
    at: Instant,
    overfull_since: Option<(Instant, usize)>,
    excess: Excess,
}

// === impl Meter ===

impl Meter {
    /// Meter of a pod that sustains so many requests at once.
    pub fn new(sustained: usize) -> Self {
        let (requests, at) = (0, Instant::ZERO);
        let excess = Excess::default();
        Self(Arc::new(Mutex::new(Reading { sustained, requests, at, overfull_since: None, excess })))
    }

    /// Returns the excess so far.
    pub fn excess(&self) -> Excess {
        self.lock().excess
    }

    /// A request comes to the pod.
    pub(super) fn begin(&self, now: Instant) {
        let mut reading = self.lock();
        let requests = reading.requests + 1;
        reading.note(requests, now);
    }

    /// A request has left the pod.
    pub(super) fn end(&self, now: Instant) {
        let mut reading = self.lock();
        let requests = reading.requests.saturating_sub(1);
        reading.note(requests, now);
    }

    fn lock(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Reading ===

impl Reading {
    /// From `now` on, so many requests are on the pod.
    fn note(&mut self, requests: usize, now: Instant) {
        let share = |beyond: usize| beyond as f64 / self.sustained as f64;
        let before = self.requests.saturating_sub(self.sustained);
        let passed_s = now.since(self.at).as_secs_f64();
        if before > 0 {
            self.excess.seconds += passed_s;
            self.excess.pod_seconds += passed_s * share(before);
        }
        (self.requests, self.at) = (requests, now);
        let beyond = requests.saturating_sub(self.sustained);
        self.overfull_since = match self.overfull_since {
            None => (beyond > 0).then_some((now, beyond)),
            Some((since, most)) if beyond > 0 => Some((since, most.max(beyond))),
            Some((since, most)) => {
                let lasted = now.since(since);
                if lasted >= BLINK {
                    self.excess.longest_s = self.excess.longest_s.max(lasted.as_secs_f64());
                    self.excess.most = self.excess.most.max(share(most));
                }
                None
            }
        };
    }
}

// === impl Excess ===

impl Excess {
    /// Sum over pods.
    pub fn and(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            pod_seconds: self.pod_seconds + other.pod_seconds,
            most: self.most.max(other.most),
            longest_s: self.longest_s.max(other.longest_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_excess_is_counted_for_as_long_as_it_lasts() {
        let meter = Meter::new(2);
        let at = |ms: u64| Instant::from_micros(1_000 * ms);
        for (requests, ms) in [(2, 0), (3, 1_000), (4, 1_500), (2, 2_000), (3, 3_000), (2, 3_002)] {
            meter.lock().note(requests, at(ms));
        }
        let Excess { seconds, pod_seconds, most, longest_s } = meter.excess();
        assert!((seconds - 1.002).abs() < 1e-9 && (pod_seconds - (0.25 + 0.5 + 0.001)).abs() < 1e-9);
        assert_eq!((most, longest_s), (1.0, 1.0));
    }
}
