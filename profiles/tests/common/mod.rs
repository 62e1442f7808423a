//! A simulated engine in virtual time as a [`Server`], so that the measuring itself can be proven without waiting.

#![allow(dead_code, reason = "each test file takes what it needs")]

use std::time::Duration;

use laboratory::engine::{Engine, EngineSpec, EventKind, Gpu, Model};
use slo_profile::build::{Cell, build};
use slo_profile::grid::Grid;
use slo_profile::measure::{
    Answer, Campaign, Failure, Finished, Observer, Progress, Sampling, Server, ServerError, Trial,
};
use slo_profile::measurement::{Header, Measurements, Point, Source};
use slo_profile::objective::Objective;
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::slo::Slo;
use slo_router::scheduling::time::Instant;

/// An engine that is as fast as the test's machine.
pub struct VirtualServer {
    /// Engine that it computes with.
    pub spec: EngineSpec,
    /// Virtual time spent so far.
    pub spent: Duration,
    /// Requests sent so far.
    pub sent: usize,
}

impl VirtualServer {
    pub fn new(spec: EngineSpec) -> Self {
        Self { spec, spent: Duration::ZERO, sent: 0 }
    }
}

impl Server for VirtualServer {
    async fn run(&mut self, trial: &mut Trial) -> Result<(), ServerError> {
        let Shape { output_tokens, input_tokens } = trial.shape();
        let mut engine = Engine::new(self.spec);
        let mut requests: Vec<(Instant, Duration)> = Vec::new();
        let mut now = Duration::ZERO;
        while !trial.is_over() {
            let arrival = Instant::ZERO.after(trial.next_arrival());
            let next = engine.next_event_at().filter(|at| *at < arrival).unwrap_or(arrival);
            now = next.since(Instant::ZERO);
            for event in engine.advance(next) {
                let (sent_at, first) = &mut requests[event.id as usize];
                match event.kind {
                    EventKind::Token { n: 1 } => *first = event.at.since(*sent_at),
                    EventKind::Finished { .. } => {
                        let e2e = event.at.since(*sent_at);
                        let answer = Answer { ttft: *first, e2e, input_tokens: Some(input_tokens), output_tokens };
                        trial.finish(event.id as usize, event.at.since(Instant::ZERO), Ok(answer));
                    }
                    EventKind::Token { .. } | EventKind::Preempted => {}
                }
            }
            if next == arrival && !trial.is_over() {
                let number = trial.send(Duration::ZERO);
                requests.push((arrival, Duration::ZERO));
                if let Err(error) = engine.submit(number as u64, input_tokens, output_tokens, arrival) {
                    trial.finish(number, now, Err(Failure::Status(400, error.to_string())));
                }
            }
        }
        self.spent += now;
        self.sent += requests.len();
        Ok(())
    }

    async fn ask(&mut self, shape: Shape, _number: u64) -> Result<Result<Answer, Failure>, ServerError> {
        let Shape { output_tokens, input_tokens } = shape;
        let mut engine = Engine::new(self.spec);
        if let Err(error) = engine.submit(0, input_tokens, output_tokens, Instant::ZERO) {
            return Ok(Err(Failure::Status(400, error.to_string())));
        }
        let mut answer =
            Answer { ttft: Duration::ZERO, e2e: Duration::ZERO, input_tokens: Some(input_tokens), output_tokens };
        while let Some(at) = engine.next_event_at() {
            for event in engine.advance(at) {
                match event.kind {
                    EventKind::Token { n: 1 } => answer.ttft = event.at.since(Instant::ZERO),
                    _ => answer.e2e = event.at.since(Instant::ZERO),
                }
            }
        }
        self.spent += answer.e2e;
        self.sent += 1;
        Ok(Ok(answer))
    }

    async fn settle(&mut self) -> Result<(), ServerError> {
        Ok(())
    }
}

/// The GPU with the model of the demonstration.
pub fn spec(gpu: Gpu) -> EngineSpec {
    EngineSpec::new(gpu, Model::Mha7b).unwrap()
}

/// With the tool's defaults, under 50 ms per output token for 90 of 100.
pub fn campaign(grid: Grid) -> Campaign {
    let slo = Slo { e2e_per_output_token: Some(Duration::from_millis(50)), ..Slo::default() };
    Campaign {
        grid,
        objective: Objective { slo, percentile: 90 },
        sampling: Sampling { requests: 200, look: Some(40), warm_up: 10 },
        precision: 0.05,
        seed: 1,
        request_budget: None,
    }
}

/// Keeps nothing and says nothing.
pub struct Silent;

impl Observer for Silent {
    fn keep(&mut self, _: &Point) -> std::io::Result<()> {
        Ok(())
    }
    fn note(&mut self, _: Progress<'_>) {}
}

/// All points after these, and how it ended.
pub fn measure(campaign: &Campaign, server: &mut impl Server, mut points: Vec<Point>) -> (Vec<Point>, Finished) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let finished = runtime.block_on(campaign.run(server, &mut points, &mut Silent)).unwrap();
    (points, finished)
}

/// λ in requests/s and E in seconds of each cell, on an L20.
pub fn highest_rate_and_latency(campaign: &Campaign) -> Vec<(f64, f64)> {
    highest_rate_and_latency_on(campaign, spec(Gpu::L20))
}

/// The same on any.
pub fn highest_rate_and_latency_on(campaign: &Campaign, spec: EngineSpec) -> Vec<(f64, f64)> {
    let (points, _) = measure(campaign, &mut VirtualServer::new(spec), Vec::new());
    figures(campaign, points)
}

/// λ and E of each cell from these points.
pub fn figures(campaign: &Campaign, points: Vec<Point>) -> Vec<(f64, f64)> {
    let header = Header::new("default/a", "m", Source::Imported { from: "a test".into() });
    let measurements = Measurements { header, points };
    let built = build(&measurements, campaign.objective);
    let figure = |cell: &Cell<'_>| (cell.rate_per_s.unwrap(), cell.e2e_s(None).unwrap_or(0.0));
    built.cells.iter().flatten().map(figure).collect()
}
