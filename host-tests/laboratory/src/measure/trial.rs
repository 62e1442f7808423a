//! One run at one rate.

use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::time::Instant;

use super::Objective;
use crate::engine::{Detail, Engine, EngineSpec, EventKind, RequestId};

/// Arrivals that fill the server before anything is measured.
const WARM_UP: usize = 300;
/// A server keeps up if it completes at least this share of what arrives.
const STABLE_SHARE: f64 = 0.9;
/// The same gaps, stretched, at every rate: so more load is never luckier.
const SEED: u64 = 1;

/// Runs of one shape on one engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    pub spec: EngineSpec,
    pub shape: Shape,
    pub objective: Objective,
    /// Arrivals that are measured.
    pub requests: usize,
}

/// Mean latencies of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Means {
    pub e2e: Duration,
    pub ttft: Duration,
    pub tpot: Duration,
}

/// A run that met the objective.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    pub throughput_per_s: f64,
    pub means: Means,
}

/// Instants at which a request came, and its tokens did.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    arrived: Instant,
    first_token: Instant,
    finished: Instant,
}

/// A run in progress.
struct Run {
    trial: Trial,
    engine: Engine,
    times: Vec<Times>,
    misses: usize,
}

/// The latencies of a request that is alone.
pub(super) fn idle(spec: EngineSpec, shape: Shape) -> Means {
    let mut engine = engine(spec);
    let mut times = [Times::default()];
    // One that does not fit keeps no objective either: its times stay zero, and the caller's search ends at once.
    let _ = engine.submit(0, shape.input_tokens, shape.output_tokens, Instant::ZERO);
    while let Some(at) = engine.next_event_at() {
        engine.advance(at).iter().for_each(|event| note(&mut times, event.id, event.kind, at));
    }
    means(&times, shape.output_tokens)
}

fn engine(spec: EngineSpec) -> Engine {
    Engine::new(spec).telling(Detail::Milestones)
}

// === impl Trial ===

impl Trial {
    /// Poisson arrivals at this rate; `None` if the objective was missed or the server did not keep up.
    pub(super) fn run(self, rate_per_s: f64) -> Option<Passed> {
        let mut run = Run {
            trial: self,
            engine: engine(self.spec),
            times: Vec::with_capacity(WARM_UP + self.requests),
            misses: 0,
        };
        let mut gaps = ChaCha8Rng::seed_from_u64(SEED);
        let mut arrival_s = 0.0;
        for _ in 0..WARM_UP + self.requests {
            let gap: f64 = Exp1.sample(&mut gaps);
            arrival_s += gap / rate_per_s;
            run.arrive(Instant::ZERO.offset_seconds(arrival_s))?;
        }
        while let Some(at) = run.engine.next_event_at() {
            run.advance(at)?;
        }
        run.judge(rate_per_s)
    }
}

// === impl Run ===

impl Run {
    fn arrive(&mut self, now: Instant) -> Option<()> {
        self.advance(now)?;
        let Shape { output_tokens, input_tokens } = self.trial.shape;
        self.engine.submit(self.times.len() as RequestId, input_tokens, output_tokens, now).ok()?;
        self.times.push(Times { arrived: now, ..Times::default() });
        Some(())
    }

    /// `None` as soon as more have missed the objective than may.
    fn advance(&mut self, to: Instant) -> Option<()> {
        let Trial { shape, objective, requests, .. } = self.trial;
        for event in self.engine.advance(to) {
            note(&mut self.times, event.id, event.kind, event.at);
            let e2e = event.at.since(self.times[event.id as usize].arrived);
            if matches!(event.kind, EventKind::Finished { .. })
                && event.id >= WARM_UP as RequestId
                && !objective.is_kept(e2e, shape.output_tokens)
            {
                self.misses += 1;
            }
        }
        (self.misses <= objective.misses_allowed(requests)).then_some(())
    }

    /// Throughput is counted while requests still arrive: counting the drain too would punish long answers.
    fn judge(self, rate_per_s: f64) -> Option<Passed> {
        let measured = &self.times[WARM_UP..];
        let (from, to) = (measured.first()?.arrived, measured.last()?.arrived);
        let completed = self.times.iter().filter(|times| times.finished > from && times.finished <= to).count();
        let throughput_per_s = completed as f64 / to.since(from).as_secs_f64();
        (throughput_per_s >= STABLE_SHARE * rate_per_s)
            .then(|| Passed { throughput_per_s, means: means(measured, self.trial.shape.output_tokens) })
    }
}

fn note(times: &mut [Times], id: RequestId, kind: EventKind, at: Instant) {
    let times = &mut times[id as usize];
    match kind {
        EventKind::Token { n: 1 } => times.first_token = at,
        EventKind::Finished { .. } => times.finished = at,
        EventKind::Token { .. } | EventKind::Preempted => {}
    }
}

fn means(times: &[Times], output_tokens: u32) -> Means {
    let count = times.len() as u32;
    let mean = |span: fn(&Times) -> Duration| times.iter().map(span).sum::<Duration>() / count;
    Means {
        e2e: mean(|times| times.finished.since(times.arrived)),
        ttft: mean(|times| times.first_token.since(times.arrived)),
        tpot: mean(|times| times.finished.since(times.first_token)) / (output_tokens.max(2) - 1),
    }
}
