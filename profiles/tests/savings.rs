//! Cost and exactness of the search, beside AIBrix's grid of rates: in virtual time, over the shapes of `demo.json`.

mod common;

use common::{VirtualServer, campaign, figures, measure, spec};
use laboratory::engine::{Engine, Event, EventKind, Gpu};
use serde::Deserialize;
use slo_profile::grid::Grid;
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::time::Instant;

/// Rates by the pods' own bisection, of 3,000 requests at each.
const TRUTH: &str = include_str!("../demo.json");
const DEPLOYMENT: &str = "default/llama-l20";
/// AIBrix's rates, requests per second, and its requests at each.
const AIBRIX_RATES_PER_S: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
const AIBRIX_REQUESTS: u32 = 100;
/// A grid as fine as the coarser searches, that reaches down to the cells' lowest rates.
const FINE_STEP: f64 = 1.2;
const LOWEST_PER_S: f64 = 0.02;
/// The objective that `demo.json` was measured for, and [`campaign`] is.
const LATENCY_PER_OUTPUT_TOKEN_S: f64 = 0.05;
const KEPT: f64 = 0.9;

#[derive(Deserialize)]
struct Document {
    profiles: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    deployment: String,
    profile: Truth,
}

#[derive(Deserialize)]
struct Truth {
    indexes: [Vec<u32>; 2],
    tputs: Vec<Vec<f64>>,
}

/// Result of a way to measure.
struct Row {
    name: String,
    requests: usize,
    minutes: f64,
    /// λ of each cell, requests per second.
    rates_per_s: Vec<f64>,
}

// === impl Row ===

impl Row {
    fn print(&self, truth_per_s: &[f64]) {
        let cells = || self.rates_per_s.iter().zip(truth_per_s).filter(|(_, truth)| **truth > 0.0);
        let mut errors: Vec<f64> =
            cells().filter(|(rate, _)| **rate > 0.0).map(|(rate, truth)| (rate / truth).ln()).collect();
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        let deviation = (errors.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / errors.len() as f64).sqrt();
        errors.sort_by(|one, other| one.abs().total_cmp(&other.abs()));
        println!(
            "{}: {} requests, {:.0} min | {} of {} cells have a rate, off by {:+.0} ± {:.0} %, at most {:.0} % in nine of ten",
            self.name,
            self.requests,
            self.minutes,
            errors.len(),
            cells().count(),
            mean.exp_m1() * 1e2,
            deviation * 1e2,
            errors[errors.len() * 9 / 10].abs().exp_m1() * 1e2,
        );
    }
}

fn search(grid: &Grid, requests: usize, precision: f64) -> Row {
    let mut campaign = campaign(grid.clone());
    (campaign.sampling.requests, campaign.precision) = (requests, precision);
    let mut server = VirtualServer::new(spec(Gpu::L20));
    let (points, _) = measure(&campaign, &mut server, Vec::new());
    Row {
        name: format!("--requests {requests} --precision {precision}"),
        requests: server.sent,
        minutes: server.spent.as_secs_f64() / 60.0,
        rates_per_s: figures(&campaign, points).into_iter().map(|(rate_per_s, _)| rate_per_s).collect(),
    }
}

/// Each rate until its last answer; a cell's is the highest that holds.
fn all_rates(name: &str, grid: &Grid, rates_per_s: &[f64]) -> Row {
    let mut row = Row { name: name.into(), requests: 0, minutes: 0.0, rates_per_s: Vec::new() };
    for shape in grid.shapes() {
        let mut highest_per_s = 0.0;
        for &rate_per_s in rates_per_s {
            let latencies_s = latencies_s(shape, rate_per_s);
            row.requests += latencies_s.len();
            let last_s =
                latencies_s.iter().enumerate().map(|(number, latency_s)| number as f64 / rate_per_s + latency_s);
            row.minutes += last_s.fold(0.0, f64::max) / 60.0;
            let limit_s = LATENCY_PER_OUTPUT_TOKEN_S * f64::from(shape.output_tokens);
            let kept = latencies_s.iter().filter(|latency_s| **latency_s <= limit_s).count();
            if kept as f64 >= KEPT * latencies_s.len() as f64 {
                highest_per_s = rate_per_s;
            }
        }
        row.rates_per_s.push(highest_per_s);
    }
    row
}

/// Of requests at even distances, as AIBrix's benchmark sends them.
fn latencies_s(shape: Shape, rate_per_s: f64) -> Vec<f64> {
    let sent_at = |number: u64| Instant::ZERO.offset_seconds(number as f64 / rate_per_s);
    let requests = (0..AIBRIX_REQUESTS.into()).map(|number| (sent_at(number), shape.input_tokens, shape.output_tokens));
    let mut latencies_s = Vec::new();
    let note = |event: Event| {
        if matches!(event.kind, EventKind::Finished { .. }) {
            latencies_s.push(event.at.since(sent_at(event.id)).as_secs_f64());
        }
        Some(())
    };
    Engine::new(spec(Gpu::L20)).serve(requests, note).unwrap();
    latencies_s
}

#[test]
#[ignore = "prints what the search costs and how exact it is; the figures are in profiles/README.md"]
fn the_search_against_aibrixs_grid() {
    let document: Document = serde_json::from_str(TRUTH).unwrap();
    let truth = document.profiles.into_iter().find(|entry| entry.deployment == DEPLOYMENT).unwrap().profile;
    let [output_tokens, input_tokens] = truth.indexes;
    let grid = Grid { output_tokens, input_tokens };
    let truth_per_s = truth.tputs.concat();
    for (requests, precision) in [(30, 0.3), (50, 0.2), (100, 0.1), (200, 0.05)] {
        search(&grid, requests, precision).print(&truth_per_s);
    }
    all_rates("AIBrix's grid", &grid, &AIBRIX_RATES_PER_S).print(&truth_per_s);
    let fine: Vec<f64> =
        (0..).map(|step| LOWEST_PER_S * FINE_STEP.powi(step)).take_while(|rate| *rate <= 64.0).collect();
    all_rates("the same, as fine as 20 % and as low as the cells need", &grid, &fine).print(&truth_per_s);
}
