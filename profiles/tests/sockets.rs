//! The proof over real sockets: minutes of real time, so `make prove-profile` runs it and `make test` does not.

mod common;

use std::time::Duration;

use common::{Silent, campaign, figures};
use laboratory::engine::{EngineSpec, Gpu, Model};
use laboratory::measure::{Objective, highest_rate};
use laboratory::server::simulated::{self, PodOptions};
use slo_profile::client::{ClientOptions, Endpoint, HttpServer};
use slo_profile::grid::Grid;
use slo_profile::measure::Campaign;
use slo_router::scheduling::slo::Slo;

/// The rates and latencies of all cells, as sockets measure them.
fn over_sockets(campaign: &Campaign, spec: EngineSpec) -> Vec<(f64, f64)> {
    let pods = simulated::start(vec![PodOptions { served_model: "m".into(), ..PodOptions::new(spec) }]).unwrap();
    let options = ClientOptions {
        url: format!("http://{}", pods.addresses()[0]),
        endpoint: Endpoint::Completions,
        model: "m".into(),
        api_key: None,
        extra_body: serde_json::Map::new(),
        shared_prefix_tokens: 0,
        stall_after: Duration::from_secs(60),
        patience: Duration::from_secs(60),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let points = runtime.block_on(async {
        let mut server = HttpServer::new(&options).unwrap();
        server.learn().await.unwrap();
        let mut points = Vec::new();
        campaign.run(&mut server, &mut points, &mut Silent).await.unwrap();
        points
    });
    figures(campaign, points)
}

/// The largest difference of any cell, as a share.
fn difference(one: &[(f64, f64)], other: &[(f64, f64)], of: fn(&(f64, f64)) -> f64) -> f64 {
    one.iter().zip(other).map(|(one, other)| (of(one) / of(other) - 1.0).abs()).fold(0.0, f64::max)
}

#[test]
#[ignore = "takes a quarter of an hour of real time, and a quiet machine"]
fn sockets_agree_with_twenty_times_the_requests_in_virtual_time_and_with_themselves() {
    let spec = EngineSpec::new(Gpu::H100, Model::Gqa8b).unwrap();
    let mut campaign = campaign(Grid { output_tokens: vec![16, 64], input_tokens: vec![128, 512] });
    campaign.objective.slo = Slo { e2e_per_output_token: Some(Duration::from_millis(15)), ..Slo::default() };
    campaign.sampling.requests = 500;
    campaign.precision = 0.02;
    let objective = Objective { e2e_per_output_token: Duration::from_millis(15), percentile: 90 };
    let bisected = |shape| {
        let cell = highest_rate(spec, shape, objective, campaign.sampling.requests * 20);
        (cell.throughput_per_s, cell.e2e.as_secs_f64())
    };
    let truth: Vec<_> = campaign.grid.shapes().map(bisected).collect();
    println!("virtual time {truth:?}");
    let first = over_sockets(&campaign, spec);
    println!("first {first:?}");
    campaign.seed = 2_000;
    let second = over_sockets(&campaign, spec);
    println!("second {second:?}");
    for run in [&first, &second] {
        assert!(difference(run, &truth, |cell| cell.0) < 0.1, "rates {run:?} against {truth:?}");
        assert!(difference(run, &truth, |cell| cell.1) < 0.1, "latencies {run:?} against {truth:?}");
    }
    assert!(difference(&first, &second, |cell| cell.0) < 0.05, "rates {first:?} and {second:?}");
    assert!(difference(&first, &second, |cell| cell.1) < 0.05, "latencies {first:?} and {second:?}");
}
