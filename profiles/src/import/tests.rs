use slo_router::scheduling::slo::Slo;

use super::*;
use crate::measurement::Latencies;
use crate::objective::Objective;
use crate::verdict::{Verdict, judge};

const DETAILED: &str = include_str!("../../tests/data/vllm/detailed.json");
const SUMMARY: &str = include_str!("../../tests/data/vllm/summary.json");

fn objective(ms: u64) -> Objective {
    Objective { slo: Slo { e2e: Some(std::time::Duration::from_millis(ms)), ..Slo::default() }, percentile: 90 }
}

fn only(format: Format, text: &str) -> Point {
    let mut points = import(format, text).unwrap();
    assert_eq!(points.len(), 1);
    points.remove(0)
}

#[test]
fn a_result_of_vllm_is_read_request_by_request() {
    let point = only(Format::Vllm, DETAILED);
    assert_eq!((point.output_tokens, point.input_tokens, point.rate_per_s), (16, 147, 10.0));
    assert_eq!(point.requests(), 60);
    // What the tool itself says of them: a mean of 433.4 ms, a 90th percentile of 606.8 ms.
    let e2e_s = point.e2e_s().unwrap();
    assert!((e2e_s.mean - 0.4334).abs() < 1e-3, "{e2e_s:?}");
    assert!((e2e_s.at(Some(90)).unwrap() - 0.6068).abs() < 1e-3, "{e2e_s:?}");
    assert!((point.ttft_s().unwrap().mean - 0.0596).abs() < 1e-4);
}

#[test]
fn a_summary_of_vllm_gives_the_same_verdict() {
    for ms in [500, 700] {
        let (detailed, summary) = (only(Format::Vllm, DETAILED), only(Format::Vllm, SUMMARY));
        assert!(matches!(summary.latencies, Latencies::Summary(_)));
        assert_eq!(judge(&detailed, &objective(ms)), judge(&summary, &objective(ms)), "{ms}");
    }
}

#[test]
fn a_summary_without_the_percentile_does_not_tell() {
    let objective = Objective { percentile: 42, ..objective(500) };
    assert!(matches!(judge(&only(Format::Vllm, SUMMARY), &objective), Verdict::Unknown(_)));
}

#[test]
fn what_is_no_rate_is_refused() {
    let endless = SUMMARY.replace("\"request_rate\": 10.0", "\"request_rate\": \"inf\"");
    let error = import(Format::Vllm, &endless).unwrap_err();
    assert!(error.contains("--request-rate"), "{error}");
    assert!(import(Format::Vllm, "[]").is_err());
}

#[test]
fn a_row_of_aibrix_without_a_number_names_its_place() {
    let row = r#"{"input_tokens": 8, "output_tokens": 4, "request_rate": 1.0, "metric": "E2E", "mean": NaN}"#;
    let error = import(Format::Aibrix, row).unwrap_err();
    assert_eq!(error, "output 4 x input 8 at 1/s: no row TPUT with a mean");
}

#[test]
fn a_report_of_guidellm_is_read_request_by_request() {
    let point = only(Format::Guidellm, include_str!("../../tests/data/guidellm/poisson.json"));
    assert_eq!((point.output_tokens, point.rate_per_s, point.requests()), (16, 10.0, 60));
    assert!((point.throughput_per_s - 60.0 / 4.2175).abs() < 0.01, "{}", point.throughput_per_s);
    let (ttft, e2e) = (point.ttft_s().unwrap().mean, point.e2e_s().unwrap().mean);
    assert!(ttft > 0.005 && ttft < e2e, "{ttft} {e2e}");
}

#[test]
fn a_guidellm_run_without_a_rate_is_refused() {
    let report = include_str!("../../tests/data/guidellm/poisson.json").replace("\"poisson\"", "\"concurrent\"");
    assert!(import(Format::Guidellm, &report).unwrap_err().contains("kind=poisson"));
}

#[test]
fn a_summary_of_aiperf_is_read() {
    let text = include_str!("../../tests/data/aiperf/profile_export_aiperf.json");
    let point = only(Format::Aiperf, text);
    assert_eq!((point.output_tokens, point.input_tokens, point.rate_per_s), (16, 128, 10.0));
    assert!((point.throughput_per_s - 8.9536).abs() < 1e-3);
    assert_eq!((point.requests(), point.failed()), (60, 0));
    let endless = text.replace("\"rate\": 10.0", "\"concurrency\": 4");
    assert!(import(Format::Aiperf, &endless).unwrap_err().contains("--request-rate"));
}
