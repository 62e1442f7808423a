//! The report of `guidellm run --output kind=json`: a benchmark per rate, with its single requests.

use std::time::Duration;

use serde::Deserialize;
use slo_router::scheduling::profile::without_nan;

use super::requests::Run;
use crate::measurement::{Latencies, Point, Requests};

#[derive(Deserialize)]
struct Report {
    benchmarks: Vec<Benchmark>,
}

#[derive(Deserialize)]
struct Benchmark {
    config: Config,
    requests: Outcomes,
    duration: f64,
}

#[derive(Deserialize)]
struct Config {
    strategy: Strategy,
}

#[derive(Deserialize)]
struct Strategy {
    type_: String,
    rate: Option<f64>,
}

#[derive(Deserialize)]
struct Outcomes {
    successful: Vec<Success>,
    #[serde(default)]
    errored: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Success {
    request_start_time: f64,
    /// Seconds.
    request_latency: f64,
    time_to_first_token_ms: f64,
    prompt_tokens: f64,
    output_tokens: u32,
}

pub(super) fn points(text: &str) -> Result<Vec<Point>, String> {
    let report: Report = serde_json::from_slice(&without_nan(text.as_bytes()))
        .map_err(|reason| format!("not a report of guidellm: {reason}"))?;
    report.benchmarks.into_iter().map(Benchmark::point).collect()
}

// === impl Benchmark ===

impl Benchmark {
    fn point(mut self) -> Result<Point, String> {
        let Strategy { type_, rate } = &self.config.strategy;
        let rate_per_s = rate.filter(|rate| *rate > 0.0 && matches!(type_.as_str(), "poisson" | "constant"));
        let rate_per_s = rate_per_s.ok_or_else(|| {
            format!("a benchmark of profile {type_:?} has no rate; a profile needs runs with kind=poisson,rate=...")
        })?;
        self.requests.successful.sort_by(|one, other| one.request_start_time.total_cmp(&other.request_start_time));
        let mut requests = Requests::default();
        for success in &self.requests.successful {
            let time = |seconds: f64| Duration::try_from_secs_f64(seconds).map_err(|reason| reason.to_string());
            let (ttft, e2e) = (time(success.time_to_first_token_ms / 1e3)?, time(success.request_latency)?);
            requests.push(ttft, e2e, success.output_tokens);
        }
        let count = self.requests.successful.len() as f64;
        if count == 0.0 || self.duration <= 0.0 {
            return Err(format!("the benchmark at {rate_per_s}/s has no request that succeeded"));
        }
        let sum = |of: fn(&Success) -> f64| self.requests.successful.iter().map(of).sum::<f64>();
        let output_tokens = sum(|success| f64::from(success.output_tokens));
        let run = Run {
            rate_per_s,
            throughput_per_s: count / self.duration,
            output_tokens_per_s: output_tokens / self.duration,
            duration_s: self.duration,
            input_tokens: sum(|success| success.prompt_tokens) / count,
            output_tokens: output_tokens / count,
            failed: self.requests.errored.len() as u32,
            latencies: Latencies::Requests(requests),
        };
        Ok(run.point())
    }
}
