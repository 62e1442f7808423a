//! Medians over the rounds, as a table and as JSON.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::{Arm, Loads, Slice};
use crate::percentiles::Spread;
use crate::report::{table, write_json};

/// The most CPU time that Envoy may take for a request with the filter, compared with Envoy without it.
const TARGET: f64 = 1.6;

const HEADS: [&str; 8] = [
    "Envoy",
    "CPU/request\nµs",
    "CPU ratio\nmedian (min to max)",
    "requests/s",
    "ratio",
    "latency µs\np50 / p99",
    "added µs\np50 / p99",
    "start s",
];

/// Setup of the comparison.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Setup {
    /// Turns of each arm.
    pub rounds: usize,
    /// The loads of each turn.
    pub loads: Loads,
    /// Size of the filter.
    pub wasm_bytes: u64,
}

/// Result of the comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    setup: Setup,
    target_cpu_ratio: f64,
    /// In the order of [`Arm::ALL`].
    arms: Vec<ArmReport>,
}

#[derive(Clone, Debug, Serialize)]
struct ArmReport {
    arm: Arm,
    /// Until Envoy's listeners accepted connections.
    start_s: f64,
    /// Each figure's median.
    median: Slice,
    /// Of this arm's figure to that of Envoy without the filter in the same round.
    ratio: Option<Ratios>,
    rounds: Vec<Slice>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Ratios {
    cpu: Spread,
    requests_per_s: Spread,
    latency_p50: Spread,
    latency_p99: Spread,
}

// === impl Report ===

impl Report {
    /// `starts` and `rounds` hold each arm's figures in the order of [`Arm::ALL`].
    pub fn new(setup: Setup, starts: &[Vec<Duration>], rounds: &[Vec<Slice>]) -> Self {
        let plain = rounds.first().map(Vec::as_slice).unwrap_or_default();
        let arm = |((arm, starts), rounds): ((Arm, &Vec<Duration>), &Vec<Slice>)| ArmReport {
            arm,
            start_s: Spread::of(starts.iter().map(Duration::as_secs_f64)).median,
            median: median(rounds),
            ratio: (arm != Arm::Plain).then(|| Ratios::of(rounds, plain)),
            rounds: rounds.clone(),
        };
        let arms = Arm::ALL.into_iter().zip(starts).zip(rounds).map(arm).collect();
        Self { setup, target_cpu_ratio: TARGET, arms }
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        write_json(file, self)
    }

    /// The table for the terminal, and what to make of it.
    pub fn text(&self) -> String {
        let plain = self.arms.first().map(|arm| arm.median);
        let rows = self.arms.iter().map(|arm| row(arm, plain.unwrap_or(arm.median)));
        let table = table(&HEADS, 1, rows);
        let mut text = format!("{table}\nfilter: {} KiB", self.setup.wasm_bytes >> 10);
        for arm in &self.arms {
            let Some(ratio) = arm.ratio.filter(|_| arm.arm.is_filter()) else { continue };
            let verdict = if ratio.cpu.median <= TARGET { "within" } else { "ABOVE" };
            text += &format!(
                "\n{}: {:.2} times the CPU, {verdict} the target of {TARGET}",
                arm.arm.name(),
                ratio.cpu.median
            );
        }
        for arm in self.arms.iter().filter(|arm| arm.median.load_busy > arm.median.envoy_busy) {
            text += &format!("\n{}: the load held the loop up, so requests/s say nothing", arm.arm.name());
        }
        text
    }
}

fn row(arm: &ArmReport, plain: Slice) -> [String; 8] {
    let Slice { cpu_us_per_request, requests_per_s, latency_p50_us, latency_p99_us, .. } = arm.median;
    let (p50, p99) = (latency_p50_us - plain.latency_p50_us, latency_p99_us - plain.latency_p99_us);
    let [cpu, requests, added] = match arm.ratio {
        None => ["1".to_owned(), "1".to_owned(), "0 / 0".to_owned()],
        Some(ratio) => {
            [ratio.cpu.text(2), format!("{:.2}", ratio.requests_per_s.median), format!("{p50:+.0} / {p99:+.0}")]
        }
    };
    [
        arm.arm.name().to_owned(),
        format!("{cpu_us_per_request:.1}"),
        cpu,
        format!("{requests_per_s:.0}"),
        requests,
        format!("{latency_p50_us:.0} / {latency_p99_us:.0}"),
        added,
        format!("{:.2}", arm.start_s),
    ]
}

/// Each figure's median.
fn median(rounds: &[Slice]) -> Slice {
    let of = |figure: fn(&Slice) -> f64| Spread::of(rounds.iter().map(figure)).median;
    Slice {
        cpu_us_per_request: of(|slice| slice.cpu_us_per_request),
        requests_per_s: of(|slice| slice.requests_per_s),
        envoy_busy: of(|slice| slice.envoy_busy),
        load_busy: of(|slice| slice.load_busy),
        latency_p50_us: of(|slice| slice.latency_p50_us),
        latency_p99_us: of(|slice| slice.latency_p99_us),
    }
}

// === impl Ratios ===

impl Ratios {
    fn of(rounds: &[Slice], plain: &[Slice]) -> Self {
        let of = |figure: fn(&Slice) -> f64| {
            Spread::of(rounds.iter().zip(plain).map(|(slice, plain)| figure(slice) / figure(plain)))
        };
        Self {
            cpu: of(|slice| slice.cpu_us_per_request),
            requests_per_s: of(|slice| slice.requests_per_s),
            latency_p50: of(|slice| slice.latency_p50_us),
            latency_p99: of(|slice| slice.latency_p99_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(cpu_us_per_request: f64) -> Slice {
        Slice {
            cpu_us_per_request,
            requests_per_s: 1e3,
            envoy_busy: 0.9,
            load_busy: 0.5,
            latency_p50_us: 1.0,
            latency_p99_us: 2.0,
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The machine is twice as slow in the second round: each round's ratio is 1.5 all the same.
        let ratios = Ratios::of(&[slice(15.0), slice(30.0)], &[slice(10.0), slice(20.0)]);
        assert_eq!((ratios.cpu.min, ratios.cpu.median, ratios.cpu.max), (1.5, 1.5, 1.5));
    }
}
