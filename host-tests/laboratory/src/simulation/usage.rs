//! Usage of the pods in a run.

use std::time::Duration;

use crate::simulation::record::{Fate, Record};

/// A span of a run, from its start on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Its first moment.
    pub from: Duration,
    /// The first moment after it.
    pub to: Duration,
}

// === impl Window ===

impl Window {
    /// Returns `true` if this time lies in it.
    pub fn contains(&self, at: Duration) -> bool {
        (self.from..self.to).contains(&at)
    }

    /// Returns its length, seconds.
    pub fn seconds(&self) -> f64 {
        self.to.saturating_sub(self.from).as_secs_f64()
    }

    /// The mean number of `pods` that had a request to work on, over the window.
    pub fn pods_in_use(&self, records: &[Record], pods: usize) -> f64 {
        let mut spans: Vec<Vec<(Duration, Duration)>> = vec![Vec::new(); pods];
        for Record { arrival, fate, .. } in records {
            if let Fate::Completed { pod, wait, answer, .. } = fate {
                let (begin, end) = (arrival.at + *wait, arrival.at + answer.e2e);
                spans[*pod].push((begin.clamp(self.from, self.to), end.clamp(self.from, self.to)));
            }
        }
        spans.into_iter().map(|spans| covered(spans).as_secs_f64()).sum::<f64>() / self.seconds()
    }
}

/// Returns the time in which at least one of these spans lasts.
fn covered(mut spans: Vec<(Duration, Duration)>) -> Duration {
    spans.sort_unstable();
    let mut covered = Duration::ZERO;
    let mut until = Duration::ZERO;
    for (begin, end) in spans {
        covered += end.saturating_sub(begin.max(until));
        until = until.max(end);
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_spans_share_counts_once() {
        let spans = [(3, 5), (1, 4), (1, 2), (7, 8), (8, 8)];
        let spans = spans.map(|(begin, end)| (Duration::from_secs(begin), Duration::from_secs(end)));
        assert_eq!(covered(spans.to_vec()), Duration::from_secs(5));
        assert_eq!(covered(Vec::new()), Duration::ZERO);
    }
}
