//! Measuring, against an engine in virtual time: the same campaign that sockets drive, without waiting.

mod common;

use std::time::Duration;

use common::{VirtualServer, campaign, highest_rate_and_latency, measure, spec};
use laboratory::engine::Gpu;
use slo_profile::build::{Status, build};
use slo_profile::grid::Grid;
use slo_profile::luck::Fair;
use slo_profile::measure::{Answer, Campaign, Failure, Finished, Sampling, Server, ServerError, Trial};
use slo_profile::measurement::{Appender, Ending, Header, Measurements, Source};
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::slo::Slo;

const CELLS: [Shape; 3] = [
    Shape { output_tokens: 16, input_tokens: 256 },
    Shape { output_tokens: 64, input_tokens: 1024 },
    Shape { output_tokens: 256, input_tokens: 64 },
];

fn cell(shape: Shape) -> Campaign {
    campaign(Grid { output_tokens: vec![shape.output_tokens], input_tokens: vec![shape.input_tokens] })
}

#[test]
fn a_cell_agrees_with_twenty_times_the_requests() {
    for shape in CELLS {
        let short = cell(shape);
        let requests = short.sampling.requests * 20;
        let long =
            Campaign { sampling: Sampling { requests, ..short.sampling }, precision: 0.01, seed: 99, ..short.clone() };
        let (rate, latency) = highest_rate_and_latency(&short)[0];
        let (true_rate, true_latency) = highest_rate_and_latency(&long)[0];
        assert!((rate / true_rate - 1.0).abs() < 0.1, "{shape:?}: {rate} against {true_rate}");
        assert!((latency / true_latency - 1.0).abs() < 0.1, "{shape:?}: {latency} s against {true_latency} s");
    }
}

#[test]
fn most_of_what_chance_does_to_a_window_is_taken_off() {
    let campaign = cell(CELLS[0]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut server = VirtualServer::new(spec(Gpu::L20));
    let idle_s = runtime.block_on(server.ask(CELLS[0], 0)).unwrap().unwrap().e2e.as_secs_f64();
    let sampling = Sampling { look: None, ..campaign.sampling };
    let mut figures: [Vec<f64>; 4] = Default::default();
    for seed in 0..16 {
        let mut trial = Trial::new(CELLS[0], 8.7, campaign.objective, sampling, seed);
        runtime.block_on(server.run(&mut trial)).unwrap();
        let point = trial.into_point();
        let fair = Fair::new(&point, idle_s).unwrap();
        let (share, e2e_s) = (point.attainment(&campaign.objective).unwrap(), point.e2e_s().unwrap().mean);
        let fair_share = fair.share(&campaign.objective, 0.9).unwrap().share;
        let of_seed = [share, fair_share, e2e_s, e2e_s * fair.e2e_factor(None)];
        figures.iter_mut().zip(of_seed).for_each(|(figures, figure)| figures.push(figure));
    }
    let [shares, fair_shares, latencies_s, fair_latencies_s] = figures.map(|figures| variance(&figures));
    assert!(fair_shares < shares / 2.0, "{fair_shares} of {shares}");
    assert!(fair_latencies_s < latencies_s / 4.0, "{fair_latencies_s} of {latencies_s}");
}

fn variance(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64
}

#[test]
fn an_interrupted_campaign_goes_on_where_it_ended() {
    let whole = cell(CELLS[0]);
    let (points, _) = measure(&whole, &mut VirtualServer::new(spec(Gpu::L20)), Vec::new());
    for kept in [1, points.len() / 2] {
        let (resumed, _) = measure(&whole, &mut VirtualServer::new(spec(Gpu::L20)), points[..kept].to_vec());
        assert_eq!(resumed, points);
    }
}

#[test]
fn a_finished_campaign_sends_nothing() {
    let whole = cell(CELLS[0]);
    let (points, _) = measure(&whole, &mut VirtualServer::new(spec(Gpu::L20)), Vec::new());
    let mut server = VirtualServer::new(spec(Gpu::L20));
    let (_, finished) = measure(&whole, &mut server, points);
    assert_eq!((server.sent, finished), (0, Finished::AllCells { given_up: 0 }));
}

#[test]
fn a_budget_of_requests_is_kept() {
    let campaign = Campaign { request_budget: Some(400), ..cell(CELLS[0]) };
    let mut server = VirtualServer::new(spec(Gpu::L20));
    let (_, finished) = measure(&campaign, &mut server, Vec::new());
    assert_eq!(finished, Finished::OutOfRequests);
    assert!(server.sent <= 400, "{}", server.sent);
}

#[test]
fn a_shape_that_misses_when_alone_costs_three_requests() {
    let mut campaign = cell(Shape { output_tokens: 16, input_tokens: 4_096 });
    campaign.objective.slo.e2e_per_output_token = Some(Duration::from_millis(30));
    let mut server = VirtualServer::new(spec(Gpu::A10));
    let (points, _) = measure(&campaign, &mut server, Vec::new());
    assert_eq!(server.sent, 3);
    let measurements = Measurements { header: header(), points };
    let built = build(&measurements, campaign.objective);
    assert_eq!(built.cells[0][0].status, Status::Infeasible);
    assert_eq!(built.cells[0][0].rate_per_s, Some(0.0));
}

#[test]
fn another_slo_needs_no_other_measurement() {
    let campaign = cell(CELLS[0]);
    let (points, _) = measure(&campaign, &mut VirtualServer::new(spec(Gpu::L20)), Vec::new());
    let measurements = Measurements { header: header(), points };
    let rate = |slo: Slo, percentile| {
        let built = build(&measurements, slo_profile::objective::Objective { slo, percentile });
        built.cells[0][0].rate_per_s.unwrap()
    };
    let slo = campaign.objective.slo;
    let loose = Slo { e2e_per_output_token: Some(Duration::from_millis(60)), ..Slo::default() };
    assert!(rate(loose, 90) > rate(slo, 90));
    let (median, most) = (rate(slo, 50), rate(slo, 98));
    assert!(median > most, "{median} and {most}");
}

fn header() -> Header {
    Header::new("default/a", "m", Source::Imported { from: "virtual time".into() })
}

/// Server whose first trials end in errors.
struct Flaky {
    server: VirtualServer,
    bad_trials: usize,
}

impl Server for Flaky {
    async fn run(&mut self, trial: &mut Trial) -> Result<(), ServerError> {
        if self.bad_trials == 0 {
            return self.server.run(trial).await;
        }
        self.bad_trials -= 1;
        while !trial.is_over() {
            let at = trial.next_arrival();
            let number = trial.send(Duration::ZERO);
            trial.finish(number, at, Err(Failure::Status(500, "out of memory".into())));
        }
        Ok(())
    }

    async fn ask(&mut self, shape: Shape, number: u64) -> Result<Result<Answer, Failure>, ServerError> {
        self.server.ask(shape, number).await
    }

    async fn settle(&mut self) -> Result<(), ServerError> {
        Ok(())
    }
}

#[test]
fn a_point_that_fails_is_tried_again() {
    let campaign = cell(CELLS[0]);
    let mut server = Flaky { server: VirtualServer::new(spec(Gpu::L20)), bad_trials: 2 };
    let (points, finished) = measure(&campaign, &mut server, Vec::new());
    assert_eq!(finished, Finished::AllCells { given_up: 0 });
    let failed: Vec<_> = points.iter().filter(|point| point.ended == Ending::Failed).collect();
    assert_eq!(failed.len(), 2);
    assert!(failed.iter().all(|point| point.failures.contains_key("status 500")), "{failed:?}");
}

#[test]
fn a_cell_that_goes_on_failing_is_given_up_and_has_no_number() {
    let campaign = cell(CELLS[0]);
    let mut server = Flaky { server: VirtualServer::new(spec(Gpu::L20)), bad_trials: usize::MAX };
    let (points, finished) = measure(&campaign, &mut server, Vec::new());
    assert_eq!(finished, Finished::AllCells { given_up: 1 });
    let measurements = Measurements { header: header(), points };
    let built = build(&measurements, campaign.objective);
    assert!(built.is_partial());
    assert_eq!(built.cells[0][0].rate_per_s, None);
    assert!(built.remarks()[0].contains("requests failed"), "{:?}", built.remarks());
}

#[test]
fn a_file_cut_off_in_the_middle_of_a_line_is_gone_on_with() {
    let (points, _) = measure(&cell(CELLS[0]), &mut VirtualServer::new(spec(Gpu::L20)), Vec::new());
    let measurements = Measurements { header: header(), points };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("points.jsonl");
    measurements.save(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 10]).unwrap();
    let kept = Measurements::load(&path).unwrap();
    assert_eq!(kept.points, measurements.points[..measurements.points.len() - 1]);
    Appender::open(&path).unwrap().append(measurements.points.last().unwrap()).unwrap();
    assert_eq!(Measurements::load(&path).unwrap(), measurements);
}

#[test]
fn a_point_that_missed_by_chance_does_not_make_a_cell_infeasible() {
    let campaign = cell(CELLS[1]);
    let (mut points, _) = measure(&campaign, &mut VirtualServer::new(spec(Gpu::L20)), Vec::new());
    let figures = |points: &[slo_profile::measurement::Point]| {
        let measurements = Measurements { header: header(), points: points.to_vec() };
        build(&measurements, campaign.objective).cells[0][0].rate_per_s.unwrap()
    };
    let before = figures(&points);
    let mut unlucky = points.iter().find(|point| point.ended == Ending::Complete).unwrap().clone();
    unlucky.rate_per_s = before * 0.7;
    unlucky.arrived_per_s = Some(before * 0.7);
    let slo_profile::measurement::Latencies::Requests(requests) = &mut unlucky.latencies else { panic!() };
    // One in eight misses, a little more than may.
    requests.e2e_ms.iter_mut().enumerate().for_each(|(index, ms)| *ms = if index % 8 == 0 { 1e5 } else { 1e3 });
    points.push(unlucky);
    let after = figures(&points);
    assert!(after > before * 0.7, "{after}, {before} before");
}
