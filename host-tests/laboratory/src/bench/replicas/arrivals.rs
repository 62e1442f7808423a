//! Requests to come: the same in every arm.

use std::time::Duration;

/// Amount of work to do.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Load {
    /// Pods behind the gateways.
    pub pods: usize,
    /// Requests that a pod sustains at once.
    pub fit: u32,
    /// Time that a request takes on a pod that is not overfull, on average.
    pub service_s: f64,
    /// Share of what the pods sustain that comes, on average.
    pub share: f64,
    /// Every so often comes a burst of as many requests as all pods sustain at once.
    pub burst_every_s: f64,
    /// Seconds in which requests come.
    pub seconds: f64,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// From the start.
    pub at: Duration,
    /// Time that it takes on a pod that is not overfull.
    pub work: Duration,
    /// A number that chooses its gateway.
    pub chance: u64,
}

/// A Poisson process with bursts; work is uniform within half of its mean.
pub fn arrivals(load: Load, seed: u64) -> Vec<Arrival> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let slots = load.pods as f64 * f64::from(load.fit);
    let rate_per_s = load.share * slots / load.service_s;
    let mut times_s = Vec::new();
    let mut at_s = 0.0;
    while at_s < load.seconds {
        times_s.push(at_s);
        at_s -= (1.0 - rng.f64()).ln() / rate_per_s;
    }
    let mut burst_s = load.burst_every_s;
    while burst_s < load.seconds {
        times_s.extend((0..slots as usize).map(|_| burst_s));
        burst_s += load.burst_every_s;
    }
    times_s.sort_by(f64::total_cmp);
    let arrival = |at_s: f64| {
        let work = Duration::from_secs_f64(load.service_s * (0.5 + rng.f64()));
        Arrival { at: Duration::from_secs_f64(at_s), work, chance: rng.u64(..) }
    };
    times_s.into_iter().map(arrival).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_comes_as_is_asked_for() {
        let load = Load { pods: 5, fit: 6, service_s: 2.0, share: 0.8, burst_every_s: 1e9, seconds: 10_000.0 };
        let arrivals = arrivals(load, 1);
        let work_s: f64 = arrivals.iter().map(|arrival| arrival.work.as_secs_f64()).sum();
        let share = work_s / (30.0 * 10_000.0);
        assert!((0.78..0.82).contains(&share), "{share}");
        assert!(arrivals.is_sorted_by_key(|arrival| arrival.at));
    }
}
