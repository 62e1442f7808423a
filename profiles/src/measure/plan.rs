//! Estimate of a campaign, before it begins.

use std::time::Duration;

use slo_router::scheduling::shape::Shape;

use super::{Answer, Campaign, Failure, Server, ServerError};

/// Points that a cell takes, idle one aside: an assumption, near what `make prove-profile` counts in virtual time.
const POINTS_PER_CELL: f64 = 7.0;
/// Requests that a point sends, as a share of those asked for: a look takes fewer, a measurement has its warm-up on top. An
/// assumption likewise.
const SHARE_OF_REQUESTS: f64 = 0.9;
/// Requests in flight that a cell is tried at on average: an assumption, as nobody knows before measuring.
const CONCURRENCY: f64 = 8.0;
/// A loaded server's latency over an idle one's: an assumption too.
const SLOWDOWN: f64 = 1.5;
/// AIBrix's grid of rates: 1 to 64 requests per second by doubling, 100 requests each.
const AIBRIX_RATES_PER_S: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
const AIBRIX_REQUESTS: f64 = 100.0;

/// Estimate of a campaign's cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// A row per cell.
    pub cells: Vec<PlannedCell>,
}

/// Estimate of a cell's cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlannedCell {
    /// The cell.
    pub shape: Shape,
    /// Latency of a request that is alone.
    pub idle_e2e: Duration,
    /// `true` if such a request keeps the SLO; else the cell is known at once.
    pub is_feasible: bool,
    /// Requests to be sent.
    pub requests: u64,
    /// Time that it takes.
    pub time: Duration,
}

// === impl Plan ===

impl Plan {
    /// From three requests: the smallest shape, and the ends of both axes. Latencies in between are taken for linear.
    ///
    /// # Errors
    ///
    /// A server that does not answer one of them.
    pub async fn make<S: Server>(campaign: &Campaign, server: &mut S) -> Result<Self, ServerError> {
        let ends = |axis: &[u32]| (axis.first().copied().unwrap_or(1), axis.last().copied().unwrap_or(1));
        let ((few_out, many_out), (short_in, long_in)) =
            (ends(&campaign.grid.output_tokens), ends(&campaign.grid.input_tokens));
        let corners = [(few_out, short_in), (many_out, short_in), (few_out, long_in)];
        let mut answers = Vec::new();
        for (number, (output_tokens, input_tokens)) in corners.into_iter().enumerate() {
            let answer = server.ask(Shape { output_tokens, input_tokens }, number as u64).await?;
            answers.push(answer.map_err(|failure: Failure| ServerError::Refuses(failure.to_string()))?);
        }
        let [small, long_answer, long_prompt]: [Answer; 3] =
            answers.try_into().map_err(|_| ServerError::Gone("it answered no probe".into()))?;
        let per = |more: Duration, less: Duration, tokens: u32| {
            more.saturating_sub(less).as_secs_f64() / f64::from(tokens.max(1))
        };
        let per_output_s = per(long_answer.e2e, small.e2e, many_out - few_out);
        let per_input_s = per(long_prompt.ttft, small.ttft, long_in - short_in);
        let cell = |shape: Shape| {
            let prefill_s = per_input_s * f64::from(shape.input_tokens - short_in);
            let ttft = small.ttft + Duration::from_secs_f64(prefill_s);
            let decode_s = per_output_s * f64::from(shape.output_tokens - few_out);
            campaign.planned(shape, ttft, small.e2e + Duration::from_secs_f64(prefill_s + decode_s))
        };
        Ok(Self { cells: campaign.grid.shapes().map(cell).collect() })
    }

    /// All requests.
    pub fn requests(&self) -> u64 {
        self.cells.iter().map(|cell| cell.requests).sum()
    }

    /// All time.
    pub fn time(&self) -> Duration {
        self.cells.iter().map(|cell| cell.time).sum()
    }

    /// Requests and time of AIBrix's grid over the same cells; its time is that of the arrivals alone.
    pub fn aibrix(&self) -> (u64, Duration) {
        let per_cell_s: f64 = AIBRIX_RATES_PER_S.iter().map(|rate| AIBRIX_REQUESTS / rate).sum();
        let requests = AIBRIX_RATES_PER_S.len() as f64 * AIBRIX_REQUESTS;
        let cells = self.cells.len() as f64;
        ((requests * cells) as u64, Duration::from_secs_f64(per_cell_s * cells))
    }
}

// === impl Campaign ===

impl Campaign {
    fn planned(&self, shape: Shape, ttft: Duration, idle_e2e: Duration) -> PlannedCell {
        let is_feasible = self.objective.is_kept(shape, ttft, idle_e2e);
        let points = if is_feasible { POINTS_PER_CELL } else { 0.0 };
        let requests = points * SHARE_OF_REQUESTS * self.sampling.requests as f64;
        let loaded_s = idle_e2e.as_secs_f64() * SLOWDOWN;
        // All but the last requests overlap; a point ends with the last one's answer.
        let time_s = 3.0 * idle_e2e.as_secs_f64() + requests * loaded_s / CONCURRENCY + points * loaded_s;
        PlannedCell {
            shape,
            idle_e2e,
            is_feasible,
            requests: requests as u64 + 3,
            time: Duration::from_secs_f64(time_s),
        }
    }
}
