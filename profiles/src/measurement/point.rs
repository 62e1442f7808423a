//! One measured point: a shape at a rate, and how its requests went.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use slo_router::scheduling::shape::Shape;

use super::Spread;
use crate::objective::Objective;

/// A shape at a rate. A line of a measurements file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Output tokens asked for: the row of the profile.
    pub output_tokens: u32,
    /// Prompt tokens asked for: the column.
    pub input_tokens: u32,
    /// Requests per second that were offered; 0 is one request after the other, on an idle server.
    pub rate_per_s: f64,
    /// Requests per second that came within the window: chance makes it a little more or less than the rate. Absent where
    /// the source does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrived_per_s: Option<f64>,
    /// Requests per second that were completed within the window.
    pub throughput_per_s: f64,
    /// Output tokens per second of those; absent where the source does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens_per_s: Option<f64>,
    /// End of the measurement.
    pub ended: Ending,
    /// `true` if the server kept up with the rate: no growing backlog. A look is too short to tell.
    pub sustained: bool,
    /// Length of the window, seconds, without warm-up.
    pub window_s: f64,
    /// Requests sent in all, warm-up included.
    pub sent: u32,
    /// Requests within the window that failed, by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<String, u32>,
    /// Mean lengths that the server reported, tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Lengths>,
    /// Requests in flight over the window, weighted by time; percentile 90 among others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Spread>,
    /// The 99th percentile of how late the client itself sent, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_lag_s: Option<f64>,
    /// Times at which its requests were sent; absent if the source does not tell, and if some of them failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<Arrivals>,
    /// Latencies of its requests.
    pub latencies: Latencies,
}

/// Times at which requests were sent, those before and after the window too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrivals {
    /// Seconds from the start, ascending.
    pub sent_s: Vec<f64>,
    /// Index of the window's first; the others of the window follow it.
    pub first: usize,
}

/// End of the measurement of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// All requests asked for were measured.
    Complete,
    /// A look, which ends after a few; or one that was cut short by a budget.
    Decided,
    /// Too many failed; the point says nothing, and is measured again on the next run.
    Failed,
}

/// Mean lengths, tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lengths {
    /// Of the prompts; absent if the server reports no usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<f64>,
    /// Of the answers.
    pub output_tokens: f64,
}

/// Latencies of requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latencies {
    /// Each of them: what any SLO at any percentile can be judged by.
    Requests(Requests),
    /// Figures that others left of theirs.
    Summary(Summary),
}

/// The requests of a window, a column per figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    /// From send to the first token, milliseconds.
    pub ttft_ms: Vec<f64>,
    /// From send to the end of the answer, milliseconds.
    pub e2e_ms: Vec<f64>,
    /// Tokens of the answer.
    pub answer_tokens: Vec<u32>,
}

/// Knowledge of a point whose single requests are not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Requests measured.
    pub requests: u32,
    /// From send to the end, seconds.
    pub e2e_s: Spread,
    /// From send to the first token, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_s: Option<Spread>,
    /// Per output token after the first, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpot_s: Option<Spread>,
}

// === impl Point ===

impl Point {
    /// The shape that was asked for.
    pub fn shape(&self) -> Shape {
        Shape { output_tokens: self.output_tokens, input_tokens: self.input_tokens }
    }

    /// Returns `true` if it was measured on an idle server, one request after the other.
    pub fn is_idle(&self) -> bool {
        self.rate_per_s == 0.0
    }

    /// Requests within the window that failed.
    pub fn failed(&self) -> u32 {
        self.failures.values().sum()
    }

    /// Requests within the window, failed ones included.
    pub fn requests(&self) -> u32 {
        self.failed()
            + match &self.latencies {
                Latencies::Requests(requests) => requests.e2e_ms.len() as u32,
                Latencies::Summary(summary) => summary.requests,
            }
    }

    /// Number of its requests that kept the SLO; `None` if the single requests are not known. Those that failed did not.
    pub fn kept(&self, objective: &Objective) -> Option<u32> {
        let Latencies::Requests(requests) = &self.latencies else { return None };
        Some(requests.each_kept(self.input_tokens, objective).filter(|kept| *kept).count() as u32)
    }

    /// Returns `true` for each of them that did, in the order of their arrival; failed ones come last.
    pub fn each_kept(&self, objective: &Objective) -> Option<Vec<bool>> {
        let Latencies::Requests(requests) = &self.latencies else { return None };
        let mut kept: Vec<bool> = requests.each_kept(self.input_tokens, objective).collect();
        kept.resize(self.requests() as usize, false);
        Some(kept)
    }

    /// The share of its requests that kept the SLO.
    pub fn attainment(&self, objective: &Objective) -> Option<f64> {
        Some(f64::from(self.kept(objective)?) / f64::from(self.requests().max(1)))
    }

    /// End to end, seconds; `None` if every request failed.
    pub fn e2e_s(&self) -> Option<Spread> {
        match &self.latencies {
            Latencies::Requests(requests) => Spread::of(requests.e2e_ms.iter().map(|ms| ms / 1e3)),
            Latencies::Summary(summary) => Some(summary.e2e_s.clone()),
        }
    }

    /// To the first token, seconds.
    pub fn ttft_s(&self) -> Option<Spread> {
        match &self.latencies {
            Latencies::Requests(requests) => Spread::of(requests.ttft_ms.iter().map(|ms| ms / 1e3)),
            Latencies::Summary(summary) => summary.ttft_s.clone(),
        }
    }

    /// Per output token after the first, seconds; `None` if no answer has two tokens.
    pub fn tpot_s(&self) -> Option<Spread> {
        match &self.latencies {
            Latencies::Requests(requests) => Spread::of(requests.tpot_s()),
            Latencies::Summary(summary) => summary.tpot_s.clone(),
        }
    }
}

// === impl Requests ===

impl Requests {
    /// Adds one.
    pub fn push(&mut self, ttft: Duration, e2e: Duration, answer_tokens: u32) {
        self.ttft_ms.push(hundredths_ms(ttft));
        self.e2e_ms.push(hundredths_ms(e2e));
        self.answer_tokens.push(answer_tokens);
    }

    fn each_kept(&self, input_tokens: u32, objective: &Objective) -> impl Iterator<Item = bool> {
        let times = self.ttft_ms.iter().zip(&self.e2e_ms).zip(&self.answer_tokens);
        times.map(move |((ttft_ms, e2e_ms), output_tokens)| {
            let shape = Shape { output_tokens: *output_tokens, input_tokens };
            objective.is_kept(shape, from_ms(*ttft_ms), from_ms(*e2e_ms))
        })
    }

    fn tpot_s(&self) -> impl Iterator<Item = f64> {
        let times = self.ttft_ms.iter().zip(&self.e2e_ms).zip(&self.answer_tokens);
        times
            .filter(|(_, tokens)| **tokens > 1)
            .map(|((ttft, e2e), tokens)| (e2e - ttft).max(0.0) / 1e3 / f64::from(tokens - 1))
    }
}

/// Milliseconds to two decimals: finer than any clock on the way, and short on disk.
fn hundredths_ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 1e2
}

fn from_ms(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1e3).unwrap_or(Duration::MAX)
}
