//! One rate: open-loop Poisson arrivals of one shape, a warm-up, a window.

use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};
use slo_router::scheduling::shape::Shape;

use super::interval::{Z_90, share_of};
use super::server::{Answer, Failure};
use crate::measurement::{Ending, Point};
use crate::objective::Objective;

mod window;

use self::window::Window;

/// The warm-up lasts at least this many mean latencies: the requests that began on an empty server have left by then.
const WARM_UP_LATENCIES: f64 = 2.5;
/// The window lasts at least this many: requests that are under way together share their fate.
const WINDOW_LATENCIES: f64 = 12.0;
/// A server that never gets steady is measured after this many times the requests asked for.
const WARM_UP_LIMIT: usize = 3;
/// The same where a look is enough.
const LOOK_LATENCIES: f64 = 4.0;
/// A trial that is cut short says something of its rate if it has measured so many.
const LEAST_MEASURED: usize = 25;
/// A window that would have to last longer is cut at this many times the requests asked for.
const WINDOW_LIMIT: usize = 5;
/// Failures other than "full" that a point stands, as a share of what was sent; it always stands [`DEFECTS_FREE`].
const DEFECTS_SHARE: f64 = 0.02;
const DEFECTS_FREE: usize = 2;

/// Extent of a point's measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Requests in the window.
    pub requests: usize,
    /// A look ends after so many, sooner if it clearly misses; `None` to measure all.
    pub look: Option<usize>,
    /// The fewest that are completed before the window begins.
    pub warm_up: usize,
}

/// One rate being measured. Times count from its start.
#[derive(Clone, Debug)]
pub struct Trial {
    shape: Shape,
    rate_per_s: f64,
    objective: Objective,
    sampling: Sampling,
    gaps: ChaCha8Rng,
    next_arrival: Duration,
    records: Vec<Record>,
    finished: usize,
    finished_e2e: Duration,
    defects: usize,
    last_defect: Option<Failure>,
    /// The first request of the window.
    window_from: Option<usize>,
    /// All requests before this one are finished; whether each kept the objective is in `kept`.
    prefix: usize,
    kept: Vec<bool>,
    /// Requests that may be sent.
    at_most: usize,
    over: Option<(Ending, Duration)>,
}

/// A request.
#[derive(Clone, Debug)]
struct Record {
    sent_at: Duration,
    lag: Duration,
    end: Option<(Duration, Result<Answer, Failure>)>,
}

// === impl Trial ===

impl Trial {
    /// A rate above 0. The same seed gives the same gaps, stretched by the rate, so more load is never luckier.
    pub fn new(shape: Shape, rate_per_s: f64, objective: Objective, sampling: Sampling, seed: u64) -> Self {
        let mut trial = Self {
            shape,
            rate_per_s,
            objective,
            sampling,
            gaps: ChaCha8Rng::seed_from_u64(seed),
            next_arrival: Duration::ZERO,
            records: Vec::new(),
            finished: 0,
            finished_e2e: Duration::ZERO,
            defects: 0,
            last_defect: None,
            window_from: None,
            prefix: 0,
            kept: Vec::new(),
            at_most: usize::MAX,
            over: None,
        };
        trial.schedule();
        trial
    }

    /// Ends when so many requests are sent, with what it has by then.
    pub fn at_most(self, requests: usize) -> Self {
        Self { at_most: requests, ..self }
    }

    /// The shape of all its requests.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Instant at which the next request is due.
    pub fn next_arrival(&self) -> Duration {
        self.next_arrival
    }

    /// Sends the request that is due, `lag` late; its number.
    pub fn send(&mut self, lag: Duration) -> usize {
        let sent_at = self.next_arrival + lag;
        let number = self.records.len();
        if self.window_from.is_none() && (self.is_steady(sent_at) || number >= WARM_UP_LIMIT * self.sampling.requests) {
            self.window_from = Some(number);
        }
        self.records.push(Record { sent_at, lag, end: None });
        self.schedule();
        if self.records.len() >= self.at_most && self.over.is_none() {
            let measured = self.window_from.map_or(0, |from| self.prefix.saturating_sub(from));
            let ending = if measured >= LEAST_MEASURED { Ending::Decided } else { Ending::Failed };
            self.over = Some((ending, sent_at));
        }
        number
    }

    /// A request ended.
    pub fn finish(&mut self, number: usize, at: Duration, result: Result<Answer, Failure>) {
        let Some(record) = self.records.get_mut(number) else { return };
        match &result {
            Ok(answer) => {
                self.finished += 1;
                self.finished_e2e += answer.e2e;
            }
            Err(failure) if !failure.is_load() => {
                self.defects += 1;
                self.last_defect = Some(failure.clone());
            }
            Err(_) => {}
        }
        record.end = Some((at, result));
        self.advance_prefix();
        if self.over.is_none() {
            self.over = self.ending(at).map(|ending| (ending, at));
        }
    }

    /// Returns `true` if enough is known, or nothing can be.
    pub fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// Requests of the window that are finished, of how many.
    pub fn progress(&self) -> (usize, usize) {
        let from = self.window_from.unwrap_or(usize::MAX);
        (self.prefix.saturating_sub(from), self.sampling.requests)
    }

    /// The last failure that was no sign of load.
    pub fn last_defect(&self) -> Option<&Failure> {
        self.last_defect.as_ref()
    }

    /// Returns the measurement.
    pub fn into_point(self) -> Point {
        let (ending, until) = self.over.unwrap_or((Ending::Failed, self.next_arrival));
        Window::new(&self, until).point(ending)
    }

    fn schedule(&mut self) {
        let gap: f64 = Exp1.sample(&mut self.gaps);
        self.next_arrival += Duration::from_secs_f64(gap / self.rate_per_s);
    }

    fn is_steady(&self, now: Duration) -> bool {
        self.finished >= self.sampling.warm_up && now.as_secs_f64() >= WARM_UP_LATENCIES * self.mean_e2e_s()
    }

    fn mean_e2e_s(&self) -> f64 {
        self.finished_e2e.as_secs_f64() / self.finished.max(1) as f64
    }

    fn advance_prefix(&mut self) {
        while let Some(Record { end: Some((_, result)), .. }) = self.records.get(self.prefix) {
            let kept = result.as_ref().is_ok_and(|answer| {
                let shape = Shape { output_tokens: answer.output_tokens, ..self.shape };
                self.objective.is_kept(shape, answer.ttft, answer.e2e)
            });
            self.kept.push(kept);
            self.prefix += 1;
        }
    }

    fn ending(&mut self, now: Duration) -> Option<Ending> {
        if self.defects > DEFECTS_FREE && self.defects as f64 > DEFECTS_SHARE * self.records.len() as f64 {
            return Some(Ending::Failed);
        }
        // A server that starts empty is no slower while it warms up, so what fails then fails for good.
        if self.sampling.look.is_some_and(|least| self.kept.len() >= least) && self.clearly_misses() {
            self.window_from = Some(0);
            return Some(Ending::Decided);
        }
        let from = self.window_from?;
        let measured = self.prefix.checked_sub(from)?;
        let lasted = now.saturating_sub(self.records.get(from)?.sent_at).as_secs_f64();
        let (requests, latencies, ending) = match self.sampling.look {
            Some(requests) => (requests, LOOK_LATENCIES, Ending::Decided),
            None => (self.sampling.requests, WINDOW_LATENCIES, Ending::Complete),
        };
        let is_long = lasted >= latencies * self.mean_e2e_s() || measured >= WINDOW_LIMIT * self.sampling.requests;
        (is_long && measured >= requests).then_some(ending)
    }

    /// Returns `true` if it does with 90 % confidence. A look may err: a full measurement near the limit corrects it.
    fn clearly_misses(&self) -> bool {
        let kept: Vec<f64> = self.kept.iter().map(|kept| f64::from(u8::from(*kept))).collect();
        share_of(&kept, self.rate_per_s * self.mean_e2e_s()).interval(Z_90).1 < self.objective.share()
    }
}
