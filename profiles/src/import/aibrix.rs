//! The rows of AIBrix's benchmark: one per shape, rate and metric (TPUT, TT, E2E, TTFT, TPOT).

use std::collections::BTreeMap;

use serde::Deserialize;
use slo_router::scheduling::profile::without_nan;

use crate::measurement::{Ending, Latencies, Point, Spread, Summary};

/// A rate that is completed to less than this share has a growing backlog (AIBrix's own tolerance).
const STABLE_SHARE: f64 = 0.9;

#[derive(Deserialize)]
struct Row {
    input_tokens: f64,
    output_tokens: f64,
    request_rate: f64,
    samples: Option<u32>,
    metric: String,
    mean: Option<f64>,
    #[serde(rename = "P50")]
    p50: Option<f64>,
    #[serde(rename = "P90")]
    p90: Option<f64>,
    #[serde(rename = "P99")]
    p99: Option<f64>,
}

/// The rows of one shape and rate.
type Rows = BTreeMap<String, Row>;

pub(super) fn points(text: &str) -> Result<Vec<Point>, String> {
    let mut groups: Vec<((u32, u32, u64), Rows)> = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let row: Row = serde_json::from_slice(&without_nan(line.as_bytes()))
            .map_err(|reason| format!("line {}: not a row of AIBrix's benchmark: {reason}", index + 1))?;
        let key = (row.output_tokens as u32, row.input_tokens as u32, row.request_rate.to_bits());
        match groups.iter_mut().find(|(known, _)| *known == key) {
            // The file is appended to: what was measured later holds.
            Some((_, rows)) => drop(rows.insert(row.metric.clone(), row)),
            None => groups.push((key, Rows::from([(row.metric.clone(), row)]))),
        }
    }
    groups.iter().map(|((output, input, rate), rows)| point(*output, *input, f64::from_bits(*rate), rows)).collect()
}

fn point(output_tokens: u32, input_tokens: u32, rate_per_s: f64, rows: &Rows) -> Result<Point, String> {
    let place = || format!("output {output_tokens} x input {input_tokens} at {rate_per_s}/s");
    let spread = |metric: &str| rows.get(metric).and_then(Row::spread);
    let throughput_per_s = spread("TPUT").ok_or_else(|| format!("{}: no row TPUT with a mean", place()))?.mean;
    let requests = rows.get("E2E").and_then(|row| row.samples).unwrap_or(0);
    let summary = Summary {
        requests,
        e2e_s: spread("E2E").ok_or_else(|| format!("{}: no row E2E with a mean", place()))?,
        ttft_s: spread("TTFT"),
        tpot_s: spread("TPOT"),
    };
    Ok(Point {
        output_tokens,
        input_tokens,
        rate_per_s,
        arrived_per_s: None,
        arrivals: None,
        throughput_per_s,
        output_tokens_per_s: spread("TT").map(|spread| spread.mean),
        ended: Ending::Complete,
        sustained: throughput_per_s >= STABLE_SHARE * rate_per_s,
        window_s: f64::from(requests) / throughput_per_s.max(f64::MIN_POSITIVE),
        sent: requests,
        failures: BTreeMap::new(),
        observed: None,
        concurrency: None,
        client_lag_s: None,
        latencies: Latencies::Summary(summary),
    })
}

// === impl Row ===

impl Row {
    fn spread(&self) -> Option<Spread> {
        let known = [(50, self.p50), (90, self.p90), (99, self.p99)];
        let percentiles = known.into_iter().filter_map(|(percent, value)| Some((percent, value?))).collect();
        Some(Spread { mean: self.mean?, percentiles })
    }
}
