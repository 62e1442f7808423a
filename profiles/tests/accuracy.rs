//! Distance of the tool's single runs from the truth, and from one another: many of them, in virtual time.

mod common;

use std::time::Duration;

use common::{VirtualServer, campaign, figures, measure, spec};
use laboratory::engine::{EngineSpec, Gpu, Model};
use laboratory::measure::{Objective, highest_rate};
use slo_profile::grid::Grid;
use slo_profile::measure::Campaign;
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::slo::Slo;

/// Runs of each cell, with seeds of their own.
const RUNS: u64 = 20;
/// The same of those that take most requests.
const FINEST_RUNS: u64 = 10;
/// As many times the requests of a run measure the truth at each rate.
const TRUTH: usize = 20;

/// A figure of all runs, as a ratio to the truth.
struct Ratios(Vec<f64>);

// === impl Ratios ===

impl Ratios {
    fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    fn deviation(&self) -> f64 {
        let squares: f64 = self.0.iter().map(|ratio| (ratio - self.mean()).powi(2)).sum();
        (squares / (self.0.len() - 1) as f64).sqrt()
    }

    /// The share of the runs that are within this of the truth.
    fn within(&self, share: f64) -> f64 {
        self.0.iter().filter(|ratio| (*ratio - 1.0).abs() < share).count() as f64 / self.0.len() as f64
    }

    /// The share of pairs of runs that are within this of each other.
    fn pairs_within(&self, share: f64) -> f64 {
        let pairs = || self.0.iter().enumerate().flat_map(|(index, one)| self.0[..index].iter().map(move |o| one / o));
        pairs().filter(|ratio| (ratio - 1.0).abs() < share).count() as f64 / pairs().count() as f64
    }

    fn print(&self, name: &str) {
        print!(
            " | {name} {:+.1} % ± {:.1} %, {:.0} % within 10 %, pairs {:.0} % within 5 %",
            (self.mean() - 1.0) * 1e2,
            self.deviation() * 1e2,
            self.within(0.1) * 1e2,
            self.pairs_within(0.05) * 1e2
        );
    }
}

fn runs_of(shape: Shape, engine: EngineSpec, slo: Duration, template: &Campaign, runs: u64) -> (Ratios, Ratios) {
    let grid = Grid { output_tokens: vec![shape.output_tokens], input_tokens: vec![shape.input_tokens] };
    let mut campaign = Campaign { grid, ..template.clone() };
    campaign.objective.slo = Slo { e2e_per_output_token: Some(slo), ..Slo::default() };
    let objective = Objective { e2e_per_output_token: slo, percentile: campaign.objective.percentile };
    let truth = highest_rate(engine, shape, objective, TRUTH * campaign.sampling.requests);
    let (mut rates, mut latencies, mut sent, mut spent_s) = (Vec::new(), Vec::new(), 0, 0.0);
    for run in 0..runs {
        campaign.seed = 1_000 * run;
        let mut server = VirtualServer::new(engine);
        let (points, _) = measure(&campaign, &mut server, Vec::new());
        let (rate_per_s, e2e_s) = figures(&campaign, points)[0];
        rates.push(rate_per_s / truth.throughput_per_s);
        latencies.push(e2e_s / truth.e2e.as_secs_f64());
        sent += server.sent;
        spent_s += server.spent.as_secs_f64();
    }
    let (rates, latencies) = (Ratios(rates), Ratios(latencies));
    print!(
        "{} x {}: {:.2}/s, {:.3} s",
        shape.output_tokens,
        shape.input_tokens,
        truth.throughput_per_s,
        truth.e2e.as_secs_f64()
    );
    rates.print("rate");
    latencies.print("latency");
    println!(" | {} requests, {:.0} s a run", sent / runs as usize, spent_s / runs as f64);
    (rates, latencies)
}

#[test]
#[ignore = "takes a minute; the figures are in profiles/README.md"]
fn single_runs_against_twenty_times_the_requests() {
    let shapes = |shapes: &[(u32, u32)]| -> Vec<Shape> {
        shapes.iter().map(|&(output_tokens, input_tokens)| Shape { output_tokens, input_tokens }).collect()
    };
    let any_grid = Grid { output_tokens: vec![1], input_tokens: vec![1] };
    let default = campaign(any_grid);
    let mut fine = default.clone();
    (fine.sampling.requests, fine.precision) = (500, 0.02);
    let h100 = EngineSpec::new(Gpu::H100, Model::Gqa8b).unwrap();
    let few = shapes(&[(16, 128), (16, 512), (64, 128), (64, 512)]);
    let many = shapes(&[(16, 256), (64, 1_024), (256, 64), (32, 128), (128, 512)]);
    let fine =
        few.into_iter().map(|shape| runs_of(shape, h100, Duration::from_millis(15), &fine, RUNS)).collect::<Vec<_>>();
    let default =
        many.into_iter().map(|shape| runs_of(shape, spec(Gpu::L20), Duration::from_millis(50), &default, RUNS));
    for (rates, latencies) in fine.into_iter().chain(default.collect::<Vec<_>>()) {
        // Most runs, not all: a run is a few hundred requests, and the truth has some chance in it too.
        assert!((rates.mean() - 1.0).abs() < 0.05 && (latencies.mean() - 1.0).abs() < 0.05);
        assert!(rates.within(0.1) >= 0.85 && latencies.within(0.1) >= 0.85);
    }
}

#[test]
#[ignore = "takes minutes; the figures are in profiles/README.md"]
fn the_finest_runs_repeat() {
    let mut finest = campaign(Grid { output_tokens: vec![1], input_tokens: vec![1] });
    (finest.sampling.requests, finest.precision) = (2_000, 0.01);
    let h100 = EngineSpec::new(Gpu::H100, Model::Gqa8b).unwrap();
    for (output_tokens, input_tokens) in [(16, 128), (16, 512), (64, 128), (64, 512)] {
        let shape = Shape { output_tokens, input_tokens };
        let (rates, latencies) = runs_of(shape, h100, Duration::from_millis(15), &finest, FINEST_RUNS);
        assert!(rates.within(0.1) == 1.0 && latencies.within(0.1) == 1.0);
        assert!(rates.pairs_within(0.05) >= 0.95 && latencies.pairs_within(0.05) >= 0.95);
    }
    for (output_tokens, input_tokens) in [(16, 256), (64, 1_024), (32, 128), (128, 512)] {
        let shape = Shape { output_tokens, input_tokens };
        let (rates, latencies) = runs_of(shape, spec(Gpu::L20), Duration::from_millis(50), &finest, FINEST_RUNS);
        assert!(rates.within(0.1) == 1.0 && latencies.within(0.1) == 1.0);
        assert!(rates.pairs_within(0.05) >= 0.95 && latencies.pairs_within(0.05) >= 0.95);
    }
}
