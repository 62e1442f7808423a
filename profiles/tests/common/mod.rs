//! A simulated engine in virtual time as a [`Server`], so that the measuring itself can be proven without waiting.

use std::time::Duration;

use slo_profile::measure::{Answer, Failure, Server, ServerError, Trial};
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::time::Instant;
use slo_router_pods::engine::{Engine, EngineSpec, EventKind};

/// An engine that is as fast as the test's machine.
pub struct VirtualServer {
    /// What it computes with.
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
                    EventKind::Finished => {
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
        let mut answer = Answer { ttft: Duration::ZERO, e2e: Duration::ZERO, input_tokens: Some(input_tokens), output_tokens };
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
