//! A model of a server, good enough to tell lucky arrivals from unlucky ones.
//!
//! Processor sharing: all requests in flight advance at the same pace, and the more there are, the slower it is; a request
//! that has n − 1 others beside it all along takes `idle + (n − 1) · slowdown`. Engines that batch continuously resemble it.
//! No figure of a profile comes from it alone. It is given the very arrivals of a measured window, and then arrivals for much
//! longer: by how much the window was luckier *on the model* is taken off what was *measured* (a control variate, as in
//! P. Glasserman, Monte Carlo Methods in Financial Engineering, 4.1). A bad model makes that less exact, not wrong.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::OnceLock;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};

/// A server that shares itself equally among the requests in flight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sharing {
    /// Time that a request takes alone, seconds.
    idle_s: f64,
    /// Time that it takes longer for each other in flight, seconds.
    slowdown_s: f64,
}

/// Arrivals that are long enough for luck to even out, and the first of them, whose server is not yet in its stride.
const LONG: usize = 20_000;
const LONG_WARM_UP: usize = 2_000;
/// Bisections: one part in ten thousand and better.
const HALVINGS: usize = 14;

// === impl Sharing ===

impl Sharing {
    /// The one whose mean latency in this window, under these arrivals, is what was measured.
    pub fn matching(idle_s: f64, arrivals_s: &[f64], window: Range<usize>, mean_e2e_s: f64) -> Self {
        // Slower than this a request alone would not be the fastest.
        let (mut low, mut high) = (0.0, idle_s);
        for _ in 0..HALVINGS {
            let slowdown_s = (low + high) / 2.0;
            let latencies_s = Self { idle_s, slowdown_s }.latencies_s(arrivals_s);
            if mean(latencies_s.get(window.clone()).unwrap_or_default()) > mean_e2e_s {
                high = slowdown_s;
            } else {
                low = slowdown_s;
            }
        }
        Self { idle_s, slowdown_s: (low + high) / 2.0 }
    }

    /// Time that each of these requests takes; their arrivals ascend.
    pub fn latencies_s(&self, arrivals_s: &[f64]) -> Vec<f64> {
        // Each request in flight has done the same since it came: `done` counts it for all, and all need 1.
        let (mut done, mut now_s) = (0.0, 0.0);
        let mut in_flight: VecDeque<(f64, f64)> = VecDeque::new();
        let mut latencies_s = Vec::with_capacity(arrivals_s.len());
        let mut arrivals = arrivals_s.iter().copied().peekable();
        loop {
            let pace = (self.idle_s + self.slowdown_s * (in_flight.len() as f64 - 1.0)).recip();
            let ends_s = in_flight.front().map(|(_, until)| now_s + (until - done) / pace);
            match (ends_s, arrivals.peek().copied()) {
                (Some(ends_s), arrives_s) if arrives_s.is_none_or(|arrives_s| ends_s <= arrives_s) => {
                    let came_s = in_flight.pop_front().map_or(ends_s, |(came_s, _)| came_s);
                    latencies_s.push(ends_s - came_s);
                    done += (ends_s - now_s) * pace;
                    now_s = ends_s;
                }
                (_, Some(arrives_s)) => {
                    done += if in_flight.is_empty() { 0.0 } else { (arrives_s - now_s) * pace };
                    now_s = arrives_s;
                    in_flight.push_back((now_s, done + 1.0));
                    arrivals.next();
                }
                (_, None) => return latencies_s,
            }
        }
    }

    /// The latencies of many requests at this rate; `None` if it is more than the server can ever do.
    pub fn in_the_long_run(&self, rate_per_s: f64) -> Option<Vec<f64>> {
        if rate_per_s * self.slowdown_s >= 1.0 {
            return None;
        }
        let arrivals_s: Vec<f64> = long_arrivals().iter().map(|at| at / rate_per_s).collect();
        Some(self.latencies_s(&arrivals_s).split_off(LONG_WARM_UP))
    }

    /// The rate at which this share of the requests takes at most so long; from within the range.
    pub fn rate_per_s(&self, share: f64, latency_s: f64, range: Range<f64>) -> f64 {
        let (mut low, mut high) = (range.start, range.end);
        for _ in 0..HALVINGS / 2 {
            let middle = (low * high).sqrt();
            let keeps = self.in_the_long_run(middle).is_some_and(|mut all| quantile(&mut all, share) <= latency_s);
            if keeps { low = middle } else { high = middle }
        }
        (low * high).sqrt()
    }
}

/// Poisson arrivals at one per second, always the same.
fn long_arrivals() -> &'static [f64] {
    static ARRIVALS: OnceLock<Vec<f64>> = OnceLock::new();
    ARRIVALS.get_or_init(|| {
        let mut gaps = ChaCha8Rng::seed_from_u64(0);
        let gap = |at: &mut f64, ()| {
            let gap: f64 = Exp1.sample(&mut gaps);
            *at += gap;
            Some(*at)
        };
        std::iter::repeat_n((), LONG).scan(0.0, gap).collect()
    })
}

/// The mean; 0 of none.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The value that this share of them does not exceed; 0 of none. Sorts them.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    let place = (share * values.len().saturating_sub(1) as f64).round() as usize;
    let place = place.min(values.len().saturating_sub(1));
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(place, f64::total_cmp).1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_slow_one_another_down_while_they_share_the_server() {
        let server = Sharing { idle_s: 1.0, slowdown_s: 0.5 };
        assert_eq!(server.latencies_s(&[0.0, 10.0]), [1.0, 1.0]);
        // The first is alone for half of its work; then both run at 1 / 1.5.
        assert_eq!(server.latencies_s(&[0.0, 0.5]), [1.25, 1.25]);
    }

    #[test]
    fn the_long_run_obeys_processor_sharings_formula() {
        // With no constant part it is M/D/1 processor sharing: E = s / (1 − ρ).
        let server = Sharing { idle_s: 1.0, slowdown_s: 1.0 };
        let found = mean(&server.in_the_long_run(0.6).unwrap());
        assert!((found / 2.5 - 1.0).abs() < 0.03, "{found}");
        assert_eq!(server.in_the_long_run(1.0), None);
    }

    #[test]
    fn a_server_is_found_again_from_its_mean() {
        let server = Sharing { idle_s: 1.0, slowdown_s: 0.3 };
        let arrivals_s: Vec<f64> =
            (0..500).map(|index| f64::from(index * index % 7) / 10.0 + f64::from(index)).collect();
        let measured = mean(&server.latencies_s(&arrivals_s)[100..400]);
        let found = Sharing::matching(1.0, &arrivals_s, 100..400, measured);
        assert!((found.slowdown_s - 0.3).abs() < 1e-3, "{found:?}");
    }

    #[test]
    fn the_rate_of_a_latency_has_that_latency() {
        let server = Sharing { idle_s: 1.0, slowdown_s: 0.2 };
        let rate_per_s = server.rate_per_s(0.9, 2.0, 0.01..5.0);
        let at = |rate| quantile(&mut server.in_the_long_run(rate).unwrap(), 0.9);
        assert!(at(rate_per_s * 0.98) < 2.0 && at(rate_per_s * 1.02) > 2.0, "{rate_per_s}");
    }
}
