//! The result file of `vllm bench serve`: one rate of one shape.

use serde_json::Value;
use slo_router::scheduling::profile::without_nan;

use super::number;
use super::requests::Run;
use crate::measurement::{Latencies, PERCENTILES, Point, Requests, Spread, Summary};

pub(super) fn points(text: &str) -> Result<Vec<Point>, String> {
    let document: Value = serde_json::from_slice(&without_nan(text.as_bytes()))
        .map_err(|reason| format!("not a result of vllm bench serve: {reason}"))?;
    // The tool writes the rate "inf" as a string: everything at once is no rate.
    let rate_per_s = number(&document, "request_rate")
        .map_err(|reason| format!("{reason}; a profile needs runs with --request-rate"))?;
    let (completed, duration_s) = (number(&document, "completed")?, number(&document, "duration")?);
    let mean = |name: &str| Ok::<_, String>(number(&document, name)? / completed.max(1.0));
    let (input_tokens, output_tokens) = (mean("total_input_tokens")?, mean("total_output_tokens")?);
    let failed = document.get("failed").and_then(Value::as_u64).unwrap_or(0) as u32;
    let latencies = match detailed(&document) {
        Some(requests) => Latencies::Requests(requests),
        None => Latencies::Summary(summary(&document, completed as u32)?),
    };
    let run = Run {
        rate_per_s,
        throughput_per_s: number(&document, "request_throughput")?,
        output_tokens_per_s: number(&document, "output_throughput")?,
        duration_s,
        input_tokens,
        output_tokens,
        failed,
        latencies,
    };
    Ok(vec![run.point()])
}

/// With `--save-detailed`: per request the time to first token, the gaps and the length, in order of arrival.
fn detailed(document: &Value) -> Option<Requests> {
    let column = |name: &str| document.get(name)?.as_array();
    let (ttfts, gaps, lengths) = (column("ttfts")?, column("itls")?, column("output_lens")?);
    let mut requests = Requests::default();
    for ((ttft, gaps), length) in ttfts.iter().zip(gaps).zip(lengths) {
        let (ttft_s, tokens) = (ttft.as_f64()?, length.as_u64()? as u32);
        if tokens == 0 {
            // Failed; the document counts it.
            continue;
        }
        let rest_s: f64 = gaps.as_array()?.iter().filter_map(Value::as_f64).sum();
        let from_s = |seconds: f64| std::time::Duration::try_from_secs_f64(seconds).ok();
        requests.push(from_s(ttft_s)?, from_s(ttft_s + rest_s)?, tokens);
    }
    Some(requests)
}

fn summary(document: &Value, requests: u32) -> Result<Summary, String> {
    let spread = |figure: &str| {
        let in_s = |name: String| number(document, &name).map(|ms| ms / 1e3);
        let percentiles = PERCENTILES
            .iter()
            .filter_map(|percent| Some((*percent, in_s(format!("p{percent}_{figure}_ms")).ok()?)))
            .collect();
        Ok::<_, String>(Spread { mean: in_s(format!("mean_{figure}_ms"))?, percentiles })
    };
    let e2e_s = spread("e2el").map_err(|reason| {
        format!("{reason}; run it with --save-detailed, or with --percentile-metrics ttft,tpot,itl,e2el")
    })?;
    Ok(Summary { requests, e2e_s, ttft_s: spread("ttft").ok(), tpot_s: spread("tpot").ok() })
}
