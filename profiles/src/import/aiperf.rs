//! The summary of AIPerf (`profile_export_aiperf.json`): one rate of one shape. Its record file has the single requests, but
//! not the rate.

use serde_json::Value;
use slo_router::scheduling::profile::without_nan;

use super::number;
use super::requests::Run;
use crate::measurement::{Latencies, PERCENTILES, Point, Spread, Summary};

pub(super) fn points(text: &str) -> Result<Vec<Point>, String> {
    let document: Value = serde_json::from_slice(&without_nan(text.as_bytes()))
        .map_err(|reason| format!("not a summary of AIPerf: {reason}"))?;
    let phases = document["input_config"]["phases"].as_array().map(Vec::as_slice).unwrap_or_default();
    let measured = phases.iter().find(|phase| phase["kind"] == "profiling").unwrap_or(&Value::Null);
    let rate_per_s = number(measured, "rate")
        .map_err(|reason| format!("input_config.phases: {reason}; a profile needs runs with --request-rate"))?;
    let mean = |name: &str| figure(&document, name, "avg");
    let requests = mean("completed_request_count").or_else(|_| mean("request_count"))? as u32;
    let error_share = document.get("request_error_rate").map_or(Ok(0.0), |_| mean("request_error_rate"))? / 100.0;
    let failed = f64::from(requests) * error_share / (1.0 - error_share).max(0.01);
    let run = Run {
        rate_per_s,
        throughput_per_s: mean("request_throughput")?,
        output_tokens_per_s: mean("output_token_throughput")?,
        duration_s: mean("benchmark_duration")?,
        input_tokens: mean("input_sequence_length")?,
        output_tokens: mean("output_sequence_length")?,
        failed: failed.round() as u32,
        latencies: Latencies::Summary(Summary {
            requests,
            e2e_s: spread(&document, "request_latency")?,
            ttft_s: spread(&document, "time_to_first_token").ok(),
            tpot_s: spread(&document, "inter_token_latency").ok(),
        }),
    };
    Ok(vec![run.point()])
}

fn figure(document: &Value, name: &str, statistic: &str) -> Result<f64, String> {
    let figure = document.get(name).ok_or_else(|| format!("`{name}` is missing"))?;
    number(figure, statistic).map_err(|reason| format!("{name}: {reason}"))
}

/// It writes milliseconds.
fn spread(document: &Value, name: &str) -> Result<Spread, String> {
    let in_s = |statistic: &str| figure(document, name, statistic).map(|ms| ms / 1e3);
    let percentiles = PERCENTILES.iter().filter_map(|percent| Some((*percent, in_s(&format!("p{percent}")).ok()?)));
    Ok(Spread { mean: in_s("avg")?, percentiles: percentiles.collect() })
}
