//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum, value_parser};
use evaluation::objectives::{SLO_A, SLO_B, SLO_C, SLO_E2E};
use serde_json::{Map, Value};
use simulate::contender::Contender;
use slo_router::scheduling::slo::Slo;

/// Every policy over a range of arrival rates in virtual time: the filter's own core and peers of it, over simulated pods
/// (one A10, four L20).
#[derive(Parser)]
pub(crate) struct Flags {
    /// Policies: the filter's own, and plain-least-request, round-robin, power-of-two.
    #[arg(long, value_delimiter = ',', default_values_t = Contender::all())]
    pub(crate) policies: Vec<Contender>,
    /// Mean requests per second, one sweep point each.
    #[arg(long, value_delimiter = ',', default_value = "2,4,6,8,10,12", value_parser = positive)]
    rates: Vec<f64>,
    /// Runs of each policy and rate, with one seed each.
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u64).range(1..=1_000))]
    runs: u64,
    /// The first run's seed; the others follow.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Virtual minutes in which the requests arrive that count.
    #[arg(long, default_value_t = 6.0, value_parser = positive)]
    minutes: f64,
    /// Virtual minutes before them.
    #[arg(long, default_value_t = 1.0, value_parser = not_negative)]
    warm_up_minutes: f64,
    /// What is to be kept.
    #[arg(long, default_value = "a")]
    pub(crate) slo: Objective,
    /// Envoy's workers.
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u8).range(1..=64))]
    pub(crate) workers: u8,
    /// The document of the measured profiles.
    #[arg(long, default_value = "profiles/demo.json")]
    pub(crate) profiles: PathBuf,
    /// What the filter is configured with beyond its defaults, as JSON: {"queue": {"late": "reject"}}.
    #[arg(long, default_value = "{}", value_parser = object)]
    pub(crate) filter: Map<String, Value>,
    /// Folder for simulate.json and simulate.svg.
    #[arg(long, default_value = "target/evaluation")]
    pub(crate) out: PathBuf,
}

/// An objective of the evaluations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Objective {
    /// End to end within 50 ms per output token.
    A,
    /// The first token within 1 s, the others 50 ms apart in the mean.
    B,
    /// End to end within 1 s and 50 ms per output token.
    C,
    /// End to end within 20 s.
    E2e,
}

// === impl Flags ===

impl Flags {
    pub(crate) fn rates_ascending(&self) -> Vec<f64> {
        let mut rates = self.rates.clone();
        rates.sort_unstable_by(f64::total_cmp);
        rates.dedup();
        rates
    }

    pub(crate) fn seeds(&self) -> Vec<u64> {
        (0..self.runs).map(|run| self.seed.wrapping_add(run)).collect()
    }

    pub(crate) fn measured(&self) -> Duration {
        Duration::from_secs_f64(60.0 * self.minutes)
    }

    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(60.0 * self.warm_up_minutes)
    }
}

// === impl Objective ===

impl Objective {
    pub(crate) const fn value(self) -> Slo {
        match self {
            Self::A => SLO_A,
            Self::B => SLO_B,
            Self::C => SLO_C,
            Self::E2e => SLO_E2E,
        }
    }

    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Self::A => "end to end at most 50 ms per output token",
            Self::B => "the first token within 1 s, the others 50 ms apart in the mean",
            Self::C => "end to end at most 1 s and 50 ms per output token",
            Self::E2e => "end to end at most 20 s",
        }
    }
}

/// A year of minutes, or a million requests per second, is a slip of the finger.
const MOST: f64 = 1e6;

fn positive(text: &str) -> Result<f64, String> {
    not_negative(text).ok().filter(|value| *value > 0.0).ok_or_else(|| format!("not a number above 0, up to {MOST:e}"))
}

fn not_negative(text: &str) -> Result<f64, String> {
    let value: Option<f64> = text.parse().ok();
    value.filter(|value| (0.0..=MOST).contains(value)).ok_or_else(|| format!("not a number from 0 to {MOST:e}"))
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}
