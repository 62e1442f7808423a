use std::time::Duration;

use slo_router::scheduling::profile::Profile;
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::slo::Slo;
use slo_router::scheduling::time::Instant;

use super::*;
use crate::engine::{Engine, Gpu, Model};

const SLO_A: Objective = Objective { e2e_per_output_token: Duration::from_millis(50), percentile: 99 };
const SHAPE: Shape = Shape { output_tokens: 128, input_tokens: 256 };

fn spec(gpu: Gpu) -> EngineSpec {
    EngineSpec::new(gpu, Model::Mha7b).unwrap()
}

/// Mean number of requests in an engine that gets one of this shape every `1/rate_per_s`, seen at its iterations' ends.
fn mean_concurrency(spec: EngineSpec, shape: Shape, rate_per_s: f64) -> f64 {
    let mut engine = Engine::new(spec);
    let (mut area_s, mut last_at) = (0.0, Instant::ZERO);
    for id in 0..2_000_u32 {
        let arrival = Instant::ZERO.offset_seconds(f64::from(id) / rate_per_s);
        while let Some(at) =
            engine.next_event_at().filter(|at| *at <= arrival).or((last_at < arrival).then_some(arrival))
        {
            let gauges = engine.gauges();
            area_s += (gauges.running + gauges.waiting) as f64 * at.since(last_at).as_secs_f64();
            engine.advance(at);
            last_at = at;
        }
        engine.submit(u64::from(id), shape.input_tokens, shape.output_tokens, arrival).unwrap();
    }
    area_s / last_at.since(Instant::ZERO).as_secs_f64()
}

#[test]
fn a_cell_agrees_with_littles_law() {
    let cell = highest_rate(spec(Gpu::L20), SHAPE, SLO_A, REQUESTS);
    let concurrency = mean_concurrency(spec(Gpu::L20), SHAPE, cell.throughput_per_s);
    let by_littles_law = cell.throughput_per_s * cell.e2e.as_secs_f64();
    // Arrivals are regular here and Poisson there, which costs some latency.
    assert!((concurrency / by_littles_law - 1.0).abs() < 0.15, "{concurrency} against {by_littles_law}");
}

#[test]
fn a_looser_objective_allows_a_higher_rate() {
    let loose = Objective { e2e_per_output_token: Duration::from_millis(100), ..SLO_A };
    let rate = |objective| highest_rate(spec(Gpu::L20), SHAPE, objective, REQUESTS).throughput_per_s;
    assert!(rate(loose) > rate(SLO_A));
}

#[test]
fn a_lower_percentile_allows_a_higher_rate() {
    let median = Objective { percentile: 50, ..SLO_A };
    let rate = |objective| highest_rate(spec(Gpu::L20), SHAPE, objective, REQUESTS).throughput_per_s;
    assert!(rate(median) > rate(SLO_A));
}

#[test]
fn a_faster_gpu_sustains_a_higher_rate() {
    let rates = Gpu::ALL.map(|gpu| highest_rate(spec(gpu), SHAPE, SLO_A, REQUESTS).throughput_per_s);
    assert!(rates.is_sorted(), "{rates:?}");
}

#[test]
fn a_shape_that_an_idle_pod_is_too_slow_for_has_no_rate_but_its_idle_latency() {
    // 4,096 tokens of prompt alone take 0.8 s, which is all that sixteen tokens of answer allow.
    let cell = highest_rate(spec(Gpu::A10), Shape { output_tokens: 16, input_tokens: 4_096 }, SLO_A, REQUESTS);
    assert_eq!(cell.throughput_per_s, 0.0);
    assert!(cell.load().is_none());
    assert!(cell.e2e > Duration::from_millis(800), "{:?}", cell.e2e);
}

#[test]
fn the_filter_reads_from_a_profile_document_what_was_measured() {
    let grid = Grid { output_tokens: vec![16, 32], input_tokens: vec![64, 128, 256] };
    let cells = grid.measure(spec(Gpu::H100), SLO_A, || {});
    let document = ProfileDocument {
        deployment: "llama-h100".into(),
        cost: 1.0,
        created_unix_s: 1_700_000_000,
        objective: SLO_A,
        grid,
        cells,
    };
    let read = Profile::from_json(document.to_json().as_bytes()).unwrap();
    assert_eq!(read.gpu, "llama-h100");
    assert_eq!(read.slo, Slo { e2e_per_output_token: Some(SLO_A.e2e_per_output_token), ..Slo::default() });
    let shape = Shape { output_tokens: 32, input_tokens: 256 };
    let rate_per_s = read.rate_per_s(read.cell(shape)).unwrap();
    assert!((rate_per_s - document.cells[1][2].throughput_per_s).abs() < 1e-4);
    let latency = read.latency(read.cell(shape)).unwrap();
    assert!(latency.abs_diff(document.cells[1][2].e2e) < Duration::from_millis(1));
}
