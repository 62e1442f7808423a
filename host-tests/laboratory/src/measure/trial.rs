//! One run at one rate.

use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::time::Instant;

use super::Objective;
use crate::engine::{Detail, Engine, EngineSpec, Event, EventKind, RequestId};

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

/// The latencies of a request that is alone.
pub(super) fn idle(spec: EngineSpec, shape: Shape) -> Means {
    let mut times = [Times::default()];
    // One that does not fit keeps no objective either: its times stay zero, and the caller's search ends at once.
    let _ = engine(spec).serve([(Instant::ZERO, shape.input_tokens, shape.output_tokens)], |event| {
        times[0].note(event);
        Some(())
    });
    means(&times, shape.output_tokens)
}

fn engine(spec: EngineSpec) -> Engine {
    Engine::new(spec).telling(Detail::Milestones)
}

// === impl Trial ===

impl Trial {
    /// Poisson arrivals at this rate; `None` if the objective was missed or the server did not keep up.
    pub(super) fn run(self, rate_per_s: f64) -> Option<Passed> {
        let Self { spec, shape, objective, requests } = self;
        let mut gaps = ChaCha8Rng::seed_from_u64(SEED);
        let mut arrival_s = 0.0;
        let arrival = |_| {
            let gap: f64 = Exp1.sample(&mut gaps);
            arrival_s += gap / rate_per_s;
            Times { arrived: Instant::ZERO.offset_seconds(arrival_s), ..Times::default() }
        };
        let mut times: Vec<Times> = (0..WARM_UP + requests).map(arrival).collect();
        let arrived: Vec<_> =
            times.iter().map(|times| (times.arrived, shape.input_tokens, shape.output_tokens)).collect();
        let mut misses = 0;
        // It ends as soon as more have missed the objective than may.
        engine(spec).serve(arrived, |event| {
            let times = &mut times[event.id as usize];
            times.note(event);
            let missed = matches!(event.kind, EventKind::Finished { .. })
                && event.id >= WARM_UP as RequestId
                && !objective.is_kept(event.at.since(times.arrived), shape.output_tokens);
            misses += usize::from(missed);
            (misses <= objective.misses_allowed(requests)).then_some(())
        })?;
        self.judge(&times, rate_per_s)
    }

    /// Throughput is counted while requests still arrive: counting the drain too would punish long answers.
    fn judge(self, times: &[Times], rate_per_s: f64) -> Option<Passed> {
        let measured = &times[WARM_UP..];
        let (from, to) = (measured.first()?.arrived, measured.last()?.arrived);
        let completed = times.iter().filter(|times| times.finished > from && times.finished <= to).count();
        let throughput_per_s = completed as f64 / to.since(from).as_secs_f64();
        (throughput_per_s >= STABLE_SHARE * rate_per_s)
            .then(|| Passed { throughput_per_s, means: means(measured, self.shape.output_tokens) })
    }
}

// === impl Times ===

impl Times {
    fn note(&mut self, event: Event) {
        match event.kind {
            EventKind::Token { n: 1 } => self.first_token = event.at,
            EventKind::Finished { .. } => self.finished = event.at,
            EventKind::Token { .. } | EventKind::Preempted => {}
        }
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
