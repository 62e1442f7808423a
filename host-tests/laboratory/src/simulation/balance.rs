//! Evenness of the use of identical pods: requests in flight on them at the same moment.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::simulation::record::{Fate, Record};
use crate::simulation::scenario::Pod;
use crate::simulation::usage::Window;

/// The most uneven group of identical pods, over a window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Balance {
    /// Requests in flight on one of them, in the mean over time and pods.
    pub in_flight: f64,
    /// Requests by which two of them differ at one moment, in the mean over time and pairs.
    pub difference: f64,
    /// Requests by which the one with most and the one with fewest differ in their means over time:
    /// nothing where they swing evenly.
    pub skew: f64,
}

/// Requests in flight on the pods of a group as time passes.
struct Group {
    counts: Vec<u32>,
    now: Duration,
    /// The sum over pairs of what they differ by.
    differing: u64,
    /// Request-seconds of each.
    in_flight_s: Vec<f64>,
    /// Pair-request-seconds.
    differing_s: f64,
}

// === impl Balance ===

impl Balance {
    /// Of the group whose pods differ most relative to what they hold; `None` where no two pods are of one deployment.
    pub fn of(records: &[Record], pods: &[Pod], window: Window) -> Option<Self> {
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for pod in pods {
            groups.entry(&pod.deployment).or_default().push(pod.position);
        }
        let balances =
            groups.values().filter(|group| group.len() > 1).map(|group| Self::within(records, group, window));
        balances.max_by(|one, other| one.difference.total_cmp(&other.difference))
    }

    fn within(records: &[Record], pods: &[usize], window: Window) -> Self {
        let mut changes: Vec<(Duration, i8, usize)> = Vec::new();
        for Record { arrival, fate, .. } in records {
            if let Fate::Completed { pod, wait, answer, .. } = fate
                && let Some(place) = pods.iter().position(|of_group| of_group == pod)
            {
                let [begin, end] = [*wait, answer.e2e].map(|after| (arrival.at + after).clamp(window.from, window.to));
                if begin < end {
                    changes.extend([(begin, 1, place), (end, -1, place)]);
                }
            }
        }
        // At one moment an end comes first: who is replaced makes no difference.
        changes.sort_unstable();
        let mut group = Group::new(pods.len(), window.from);
        for (at, change, place) in changes {
            group.pass_time(at);
            group.change(place, change);
        }
        group.pass_time(window.to);
        let (pods, seconds) = (pods.len() as f64, window.seconds());
        let pairs = pods * (pods - 1.0) / 2.0;
        let most = group.in_flight_s.iter().copied().fold(0.0, f64::max);
        let fewest = group.in_flight_s.iter().copied().fold(f64::INFINITY, f64::min);
        Self {
            in_flight: group.in_flight_s.iter().sum::<f64>() / pods / seconds,
            difference: group.differing_s / pairs / seconds,
            skew: (most - fewest) / seconds,
        }
    }
}

// === impl Group ===

impl Group {
    fn new(pods: usize, now: Duration) -> Self {
        Self { counts: vec![0; pods], now, differing: 0, in_flight_s: vec![0.0; pods], differing_s: 0.0 }
    }

    fn pass_time(&mut self, to: Duration) {
        let seconds = to.saturating_sub(self.now).as_secs_f64();
        if seconds > 0.0 {
            for (in_flight_s, count) in self.in_flight_s.iter_mut().zip(&self.counts) {
                *in_flight_s += f64::from(*count) * seconds;
            }
            self.differing_s += self.differing as f64 * seconds;
            self.now = to;
        }
    }

    fn change(&mut self, place: usize, by: i8) {
        let before = self.counts[place];
        let others = || self.counts.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, count)| *count);
        let after = before.saturating_add_signed(by.into());
        let differing = |own: u32| others().map(|other| u64::from(own.abs_diff(other))).sum::<u64>();
        self.differing = self.differing + differing(after) - differing(before);
        self.counts[place] = after;
    }
}

#[cfg(test)]
mod tests {
    use slo_router::scheduling::slo::Slo;

    use super::*;
    use crate::completed::Completed;
    use crate::simulation::scenario::Scenario;
    use crate::workload::{Arrival, Class};

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// On this pod from and until these seconds.
    fn record(pod: usize, from: u64, until: u64) -> Record {
        let scenario = Scenario::named("steep-two").unwrap();
        let arrival =
            Arrival { at: seconds(from), class: Class::Chat, prompt_tokens: 1, content: None, output_tokens: 1 };
        let e2e = seconds(until - from);
        let answer = Completed { ttft: e2e, e2e, output_tokens: 1 };
        let fate = Fate::Completed { pod, wait: Duration::ZERO, answer, cached_tokens: 0 };
        let (slo, answering) = (Slo::default(), scenario.answering);
        Record { arrival, slo, answering, expected_cached_tokens: None, fate }
    }

    #[test]
    fn pods_that_swing_differ_although_they_serve_alike_in_the_mean() {
        let pods = Scenario::named("steep-two").unwrap().cluster.pods;
        let window = Window { from: seconds(0), to: seconds(10) };
        let swinging = [record(0, 0, 5), record(0, 0, 5), record(1, 5, 10), record(1, 5, 10)];
        let balance = Balance::of(&swinging, &pods, window).unwrap();
        assert_eq!(balance, Balance { in_flight: 1.0, difference: 2.0, skew: 0.0 });
        let even = [record(0, 0, 10), record(1, 0, 10)];
        let balance = Balance::of(&even, &pods, window).unwrap();
        assert_eq!(balance, Balance { in_flight: 1.0, difference: 0.0, skew: 0.0 });
    }

    #[test]
    fn what_lies_outside_the_window_does_not_count() {
        let pods = Scenario::named("steep-two").unwrap().cluster.pods;
        let window = Window { from: seconds(5), to: seconds(10) };
        let balance = Balance::of(&[record(0, 0, 6), record(1, 0, 4), record(1, 20, 30)], &pods, window).unwrap();
        assert_eq!(balance, Balance { in_flight: 0.1, difference: 0.2, skew: 0.2 });
    }

    #[test]
    fn pods_of_one_deployment_are_identical_and_others_are_not_compared() {
        let pods = Scenario::named("seed-a").unwrap().cluster.pods;
        let window = Window { from: seconds(0), to: seconds(1) };
        let of_four = Balance::of(&[record(0, 0, 1), record(1, 0, 1)], &pods, window).unwrap();
        // Three of the six pairs of L20s differ by a request.
        assert_eq!(of_four, Balance { in_flight: 0.25, difference: 0.5, skew: 1.0 });
        assert_eq!(Balance::of(&[], &pods[..2], window), None);
    }
}
