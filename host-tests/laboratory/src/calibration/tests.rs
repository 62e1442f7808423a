use slo_router::scheduling::shape::Shape;

use super::*;
use crate::engine::{Gpu, Model};

const ROWS: &str = r#"
{"input_tokens": 128, "output_tokens": 64, "request_rate": 2.0, "samples": 100, "metric": "TPUT", "mean": 2.14}
{"input_tokens": 128, "output_tokens": 64, "request_rate": 2.0, "samples": 100, "metric": "E2E", "mean": 0.9, "P50": 0.66}
{"input_tokens": 128, "output_tokens": 64, "request_rate": 1.0, "samples": 100, "metric": "TPUT", "mean": 1.08}
"#;

#[test]
fn a_point_has_the_throughput_and_the_median_latency_of_its_rows() {
    let points = BenchmarkPoint::read(ROWS).unwrap();
    let measured = Outcome { throughput_per_s: 2.14, median_e2e: Duration::from_millis(660) };
    let shape = Shape { output_tokens: 64, input_tokens: 128 };
    assert_eq!(points, [BenchmarkPoint { shape, rate_per_s: 2.0, measured }]);
}

#[test]
fn a_line_that_is_no_row_is_named() {
    let error = BenchmarkPoint::read("\n\n{\"input_tokens\": -1}").unwrap_err();
    assert!(error.to_string().starts_with("line 3: "), "{error}");
}

#[test]
fn the_engine_reproduces_a_published_point() {
    let spec = EngineSpec::new(Gpu::A100, Model::Mha7b).unwrap();
    let point = BenchmarkPoint::read(ROWS).unwrap()[0];
    let ours = Outcome::of_engine(spec, &point);
    let ratio = |ours: f64, theirs: f64| (0.95..1.05).contains(&(ours / theirs));
    assert!(ratio(ours.throughput_per_s, point.measured.throughput_per_s), "{ours:?}");
    assert!(ratio(ours.median_e2e.as_secs_f64(), point.measured.median_e2e.as_secs_f64()), "{ours:?}");
}

#[test]
fn ratios_are_told_by_median_and_spread() {
    let ratios = Ratios::of((1..=11).map(|tenths| f64::from(tenths) / 10.0).collect()).unwrap();
    assert_eq!(ratios.to_string(), "0.60 (0.20 to 1.00)");
    assert_eq!(Ratios::of(vec![]), None);
}
