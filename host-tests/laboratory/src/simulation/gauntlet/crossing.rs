//! A scenario's unit of load: the arrival rate at which weighted least-request keeps 95 % of what it keeps on idle pods.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::simulation::baseline::Baseline;
use crate::simulation::gauntlet::trial;
use crate::simulation::scenario::Scenario;

/// Share of what is kept on idle pods.
const LEVEL: f64 = 0.95;
/// The search begins where all pods together get so many requests per second.
const IDLE_PER_POD_S: f64 = 0.02;
/// It ends when the rates around the crossing differ by this factor at most.
const RESOLUTION: f64 = 1.02;
/// Runs at each rate, and their length; shorter where that is more requests.
const SEEDS: [u64; 2] = [1_001, 1_002];
const SPAN: Duration = Duration::from_secs(240);
const WARM_UP: Duration = Duration::from_secs(60);
const MOST_REQUESTS: f64 = 4_000.0;
/// No cluster of the gauntlet is that fast.
const MOST_PER_S: f64 = 10_000.0;

/// Requests per second.
///
/// # Errors
/// Where a run breaks an invariant, or no rate is too much.
pub fn crossing_per_s(scenario: &Scenario) -> Result<f64> {
    search(IDLE_PER_POD_S * scenario.cluster.pods.len() as f64, |rate_per_s| kept(scenario, rate_per_s))
}

/// Doubles the rate until too little is kept, then bisects.
fn search(idle_per_s: f64, kept: impl Fn(f64) -> Result<f64>) -> Result<f64> {
    let level = LEVEL * kept(idle_per_s)?;
    let (mut low, mut high) = (idle_per_s, 2.0 * idle_per_s);
    while kept(high)? >= level {
        (low, high) = (high, 2.0 * high);
        (high < MOST_PER_S).then_some(()).context("weighted least-request keeps 95 % at any rate")?;
    }
    while high / low > RESOLUTION {
        let middle = (low * high).sqrt();
        if kept(middle)? >= level { low = middle } else { high = middle }
    }
    Ok((low * high).sqrt())
}

fn kept(scenario: &Scenario, rate_per_s: f64) -> Result<f64> {
    let enough = Duration::from_secs_f64(MOST_REQUESTS / rate_per_s).max(WARM_UP * 3 / 2);
    // Where requests are rare, it takes longer to see that many.
    let span = if rate_per_s * SPAN.as_secs_f64() < 200.0 { 5 * SPAN } else { SPAN.min(enough) };
    let (mut kept, mut all) = (0, 0);
    for seed in SEEDS {
        let records = trial::push(scenario, Baseline::WeightedLeastRequest, rate_per_s, span, seed)?;
        for record in records.iter().filter(|record| record.arrival.at >= WARM_UP) {
            all += 1;
            kept += u32::from(record.kept());
        }
    }
    Ok(f64::from(kept) / f64::from(all.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crossing_is_where_95_of_100_are_kept_that_idle_pods_keep() {
        let found = search(0.1, |rate| Ok(if rate < 7.0 { 0.98 } else { 0.9 })).unwrap();
        assert!((found / 7.0 - 1.0).abs() < 0.02, "{found}");
        assert!(search(0.1, |_| Ok(1.0)).is_err());
    }

    #[test]
    fn two_steep_pods_sustain_almost_seven_requests_of_100_tokens() {
        let found = crossing_per_s(&Scenario::named("steep-two-regular-at-once").unwrap()).unwrap();
        assert!((6.0..7.2).contains(&found), "{found}");
    }
}
