//! All cells of a grid, one after the other.

use std::time::Duration;

use slo_router::scheduling::shape::Shape;

use super::search::{self, Cell, Step};
use super::{Failure, Sampling, Server, ServerError, Trial};
use crate::grid::Grid;
use crate::measurement::{Ending, Latencies, Lengths, Point, Requests};
use crate::objective::Objective;
use crate::verdict::{Verdict, judge};

/// Requests that tell what an idle server is capable of.
const IDLE_REQUESTS: u32 = 3;
/// Tries of a point or an idle request before it is given up.
const TRIES: u32 = 3;
/// Start of the first cell: so many requests in flight on a server that slows down by nothing.
const FIRST_CONCURRENCY: f64 = 4.0;

/// Task of a campaign.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The cells.
    pub grid: Grid,
    /// Objective that their rates have to meet.
    pub objective: Objective,
    /// Extent of a point's measurement.
    pub sampling: Sampling,
    /// A cell is known when the standard deviation of its rate is at most this share of it.
    pub precision: f64,
    /// Of the arrivals.
    pub seed: u64,
    /// Requests that may be sent in all; `None` for as many as it takes.
    pub request_budget: Option<u64>,
}

/// Event that has just happened.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// A rate is about to be measured.
    Starting {
        /// Its shape.
        shape: Shape,
        /// Requests per second.
        rate_per_s: f64,
    },
    /// A point is on disk.
    Measured(&'a Point),
    /// A point failed and is tried again.
    Retrying(&'a Point),
    /// A cell is known, measured now or read from the file.
    CellDone(Shape),
    /// A cell is left without a result after so many failures.
    CellGivenUp(Shape),
}

/// End of a campaign that met no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// All cells are known, but for so many.
    AllCells {
        /// Cells that were given up.
        given_up: usize,
    },
    /// The requests are used up.
    OutOfRequests,
}

/// Reason for which a campaign cannot go on. Its measurements are kept.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The file.
    #[error("cannot keep a point: {0}")]
    Keep(#[from] std::io::Error),
}

/// The cell that is measured.
enum CellEnd {
    Known,
    GivenUp,
    OutOfRequests,
}

/// Observer that a campaign reports to and keeps its points with.
pub trait Observer {
    /// Puts a point on disk.
    ///
    /// # Errors
    ///
    /// What the file system refuses.
    fn keep(&mut self, point: &Point) -> std::io::Result<()>;

    /// Takes note.
    fn note(&mut self, progress: Progress<'_>);
}

// === impl Campaign ===

impl Campaign {
    /// Measures what `points` do not tell yet, and adds to them.
    ///
    /// # Errors
    ///
    /// A server that is gone or refuses, a disk that is full. Single failures are retried.
    pub async fn run<S: Server, O: Observer>(
        &self,
        server: &mut S,
        points: &mut Vec<Point>,
        observer: &mut O,
    ) -> Result<Finished, CampaignError> {
        let mut given_up = 0;
        for shape in self.grid.shapes() {
            match self.measure_cell(shape, server, points, observer).await? {
                CellEnd::Known => observer.note(Progress::CellDone(shape)),
                CellEnd::GivenUp => {
                    given_up += 1;
                    observer.note(Progress::CellGivenUp(shape));
                }
                CellEnd::OutOfRequests => return Ok(Finished::OutOfRequests),
            }
        }
        Ok(Finished::AllCells { given_up })
    }

    async fn measure_cell<S: Server, O: Observer>(
        &self,
        shape: Shape,
        server: &mut S,
        points: &mut Vec<Point>,
        observer: &mut O,
    ) -> Result<CellEnd, CampaignError> {
        let is_new = !points.iter().any(|point| point.shape() == shape);
        if is_new && self.requests_left(points) < IDLE_REQUESTS as usize {
            return Ok(CellEnd::OutOfRequests);
        }
        let Some(idle) = self.idle(shape, server, points, observer).await? else { return Ok(CellEnd::GivenUp) };
        if !idle_keeps(&idle, &self.objective) {
            return Ok(CellEnd::Known);
        }
        let Some(idle_e2e_s) = idle.e2e_s().map(|spread| spread.mean) else { return Ok(CellEnd::Known) };
        let start_per_s = self.neighbours_rate(shape, idle_e2e_s, points).unwrap_or(FIRST_CONCURRENCY / idle_e2e_s);
        let cell = Cell { idle_e2e_s, start_per_s, precision: self.precision };
        let mut tries = 0;
        loop {
            let of_cell: Vec<&Point> = points.iter().filter(|point| point.shape() == shape).collect();
            let (rate_per_s, sampling) = match search::next(&cell, &of_cell, &self.objective) {
                Step::Done => return Ok(CellEnd::Known),
                Step::Look(rate_per_s) => (rate_per_s, self.sampling),
                Step::Measure(rate_per_s) => (rate_per_s, Sampling { look: None, ..self.sampling }),
            };
            let left = self.requests_left(points);
            if left < self.sampling.requests {
                return Ok(CellEnd::OutOfRequests);
            }
            observer.note(Progress::Starting { shape, rate_per_s });
            // Gaps of their own at each point: luck then evens out over a cell's points.
            let seed = self.seed.wrapping_add(of_cell.len() as u64);
            let mut trial = Trial::new(shape, rate_per_s, self.objective, sampling, seed).at_most(left);
            server.run(&mut trial).await?;
            let point = trial.into_point();
            observer.keep(&point)?;
            let failed = point.ended == Ending::Failed;
            observer.note(if failed { Progress::Retrying(&point) } else { Progress::Measured(&point) });
            points.push(point);
            tries = if failed { tries + 1 } else { 0 };
            server.settle().await?;
            if tries == TRIES {
                return Ok(CellEnd::GivenUp);
            }
        }
    }

    /// The point of the idle server, from the file or measured; `None` if it cannot be had.
    async fn idle<S: Server, O: Observer>(
        &self,
        shape: Shape,
        server: &mut S,
        points: &mut Vec<Point>,
        observer: &mut O,
    ) -> Result<Option<Point>, CampaignError> {
        let is_idle = |point: &&Point| point.is_idle() && point.shape() == shape && point.ended != Ending::Failed;
        if let Some(known) = points.iter().find(is_idle) {
            return Ok(Some(known.clone()));
        }
        for _ in 0..TRIES {
            observer.note(Progress::Starting { shape, rate_per_s: 0.0 });
            let point = ask_idle(shape, server).await?;
            observer.keep(&point)?;
            points.push(point.clone());
            if point.ended != Ending::Failed {
                observer.note(Progress::Measured(&point));
                return Ok(Some(point));
            }
            observer.note(Progress::Retrying(&point));
            server.settle().await?;
        }
        Ok(None)
    }

    /// Rate that the last known cell next to this one suggests: the same work per second.
    fn neighbours_rate(&self, shape: Shape, idle_e2e_s: f64, points: &[Point]) -> Option<f64> {
        let is_next = |point: &&Point| {
            let same_row = point.output_tokens == shape.output_tokens && point.input_tokens < shape.input_tokens;
            let same_column = point.input_tokens == shape.input_tokens && point.output_tokens < shape.output_tokens;
            (same_row || same_column) && !point.is_idle() && judge(point, &self.objective) == Verdict::Holds
        };
        let nearest =
            points.iter().filter(is_next).max_by_key(|point| (point.input_tokens, point.output_tokens))?.shape();
        let of_nearest = || points.iter().filter(|point| point.shape() == nearest);
        let idle_s = of_nearest().find(|point| point.is_idle())?.e2e_s()?.mean;
        let holds = of_nearest().filter(|point| !point.is_idle() && judge(point, &self.objective) == Verdict::Holds);
        let rate_per_s = holds.map(|point| point.rate_per_s).max_by(f64::total_cmp)?;
        Some(rate_per_s * idle_s / idle_e2e_s)
    }

    fn requests_left(&self, points: &[Point]) -> usize {
        let sent: u64 = points.iter().map(|point| u64::from(point.sent)).sum();
        self.request_budget.map_or(usize::MAX, |budget| budget.saturating_sub(sent) as usize)
    }
}

/// Returns `true` if most requests to the idle server kept the SLO. Otherwise no rate can.
pub fn idle_keeps(idle: &Point, objective: &Objective) -> bool {
    idle.kept(objective).is_some_and(|kept| 2 * kept > idle.requests())
}

async fn ask_idle<S: Server>(shape: Shape, server: &mut S) -> Result<Point, ServerError> {
    let (mut requests, mut failures) = (Requests::default(), Vec::new());
    let mut inputs = Vec::new();
    for number in 0..IDLE_REQUESTS {
        match server.ask(shape, u64::from(number)).await? {
            Ok(answer) => {
                requests.push(answer.ttft, answer.e2e, answer.output_tokens);
                inputs.extend(answer.input_tokens.map(f64::from));
            }
            Err(Failure::Status(status @ (401 | 403 | 404), reason)) => {
                return Err(ServerError::Refuses(format!("status {status}: {reason}")));
            }
            Err(failure) => failures.push(failure),
        }
    }
    let mean = |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let outputs: Vec<f64> = requests.answer_tokens.iter().map(|tokens| f64::from(*tokens)).collect();
    let total_s: f64 = requests.e2e_ms.iter().sum::<f64>() / 1e3;
    let per_s = |count: f64| if total_s > 0.0 { count / total_s } else { 0.0 };
    Ok(Point {
        output_tokens: shape.output_tokens,
        input_tokens: shape.input_tokens,
        rate_per_s: 0.0,
        arrived_per_s: None,
        arrivals: None,
        throughput_per_s: per_s(outputs.len() as f64),
        output_tokens_per_s: Some(per_s(outputs.iter().sum())),
        ended: if failures.is_empty() { Ending::Complete } else { Ending::Failed },
        sustained: true,
        window_s: Duration::from_secs_f64(total_s).as_secs_f64(),
        sent: IDLE_REQUESTS,
        failures: failures.iter().fold(Default::default(), |mut counts: std::collections::BTreeMap<_, _>, failure| {
            *counts.entry(failure.kind()).or_default() += 1;
            counts
        }),
        observed: mean(&outputs).map(|output_tokens| Lengths { input_tokens: mean(&inputs), output_tokens }),
        concurrency: None,
        client_lag_s: None,
        latencies: Latencies::Requests(requests),
    })
}
