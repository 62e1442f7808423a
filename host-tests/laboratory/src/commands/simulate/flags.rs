//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, value_parser};
use laboratory::simulation::baseline::Baseline;
use laboratory::simulation::belief::Belief;
use laboratory::simulation::contender::Contender;
use laboratory::simulation::scenario::{Answering, Scenario};
use laboratory::workload::Class;
use laboratory::workload::trace::{Problem, Trace, TraceError};
use serde_json::{Map, Value};

/// Policies over a range of arrival rates in virtual time: the filter itself and peers of it, over simulated pods.
#[derive(Args)]
pub(crate) struct Flags {
    /// Policies: the filter's own (with +true-lengths told how long answers will be), AIBrix's (aibrix-slo, with +repaired or
    /// parts of that: +mean+learned+p90+last+shed+feasible+wake), and others to compare with.
    #[arg(long, value_delimiter = ',', default_values_t = Contender::all())]
    pub(crate) policies: Vec<Contender>,
    /// Scenario: traffic, objective and cluster.
    #[arg(long, default_value = "seed-a", value_parser = Scenario::named)]
    scenario: Scenario,
    /// A recorded trace that arrives in place of the scenario's traffic: Azure's, BurstGPT's, Mooncake's, lengths of ShareGPT's conversations or
    /// arrival_s,input_tokens,output_tokens[,class]. CLASS=FILE tells the class of rows that do not (chat). Several are overlaid by their
    /// clocks. Rates are its own unless told.
    #[arg(long, value_name = "[CLASS=]FILE")]
    trace: Vec<TraceFile>,
    /// Mean requests per second, one sweep point each; without it those of the scenario.
    #[arg(long, value_delimiter = ',', value_parser = positive)]
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
    #[arg(long, default_value_t = 2.0, value_parser = not_negative)]
    warm_up_minutes: f64,
    /// Envoy's workers.
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u8).range(1..=64))]
    pub(crate) workers: u8,
    /// Profiles that the gateway is given of its pods: measured (the scenario's profiles), none,
    /// x0.5 (half as fast as they are), swapped (another deployment's), or a document of profiles.
    #[arg(long, default_value_t)]
    pub(crate) profiles: Belief,
    /// Servers do not tell how many tokens of prompts they had in their caches.
    #[arg(long)]
    cached_untold: bool,
    /// The policy that the others are compared with, run by run.
    #[arg(long, default_value_t = Contender::Baseline(Baseline::WeightedLeastRequest))]
    pub(crate) reference: Contender,
    /// Prints the scenarios' names and does nothing else.
    #[arg(long)]
    pub(crate) list_scenarios: bool,
    /// A burst and a cold start as well, if the reference takes part and keeps 95 % at one of the rates.
    #[arg(long)]
    pub(crate) checks: bool,
    /// Configuration of the filter beyond its defaults, as JSON: {"queue": {"late": "reject"}}.
    #[arg(long, default_value = "{}", value_parser = object)]
    pub(crate) filter: Map<String, Value>,
    /// Folder for SCENARIO.json and SCENARIO.svg.
    #[arg(long, default_value = "target/evaluation")]
    pub(crate) out: PathBuf,
}

/// A trace and the class of its requests.
#[derive(Clone, Debug)]
struct TraceFile {
    class: Class,
    file: PathBuf,
}

// === impl Flags ===

impl Flags {
    /// The scenario, with what is asked to be other in it.
    pub(crate) fn scenario(&self) -> Result<Scenario, TraceError> {
        let scenario = self.replaying()?;
        let tells_cached = scenario.answering.tells_cached && !self.cached_untold;
        Ok(Scenario { answering: Answering { tells_cached, ..scenario.answering }, ..scenario })
    }

    /// With the traces that are to replace its traffic.
    fn replaying(&self) -> Result<Scenario, TraceError> {
        let traces = self.trace.iter().map(|TraceFile { class, file }| Trace::read(file, *class));
        let traces: Vec<_> = traces.collect::<Result<_, _>>()?;
        let files: Vec<_> = self.trace.iter().map(|trace| trace.file.display().to_string()).collect();
        let mut traces = traces.into_iter();
        let Some(first) = traces.next() else { return Ok(self.scenario.clone()) };
        let overlaid = traces.try_fold(first, Trace::overlaid_with);
        let trace = overlaid.ok_or_else(|| TraceError::file(&files.join(" and "), Problem::Untimed))?;
        let left_out = match trace.left_out() {
            0 => String::new(),
            rows => format!(" without {rows} rows that record no answer"),
        };
        Ok(self.scenario.clone().replaying(&format!("replay of {}{left_out}", files.join(" and ")), trace))
    }

    pub(crate) fn rates_ascending(&self, scenario: &Scenario) -> Vec<f64> {
        let mut rates = if self.rates.is_empty() { scenario.rates_per_s.clone() } else { self.rates.clone() };
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

// === impl TraceFile ===

impl FromStr for TraceFile {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (class, file) = text.split_once('=').unwrap_or((Class::Chat.name(), text));
        let known = Class::ALL.map(Class::name).join(", ");
        let class = Class::ALL.into_iter().find(|known| known.name() == class);
        Ok(Self {
            class: class.ok_or_else(|| format!("{text:?}: unknown class; known are {known}"))?,
            file: file.into(),
        })
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
