//! The window of a trial: what is counted of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Record, Trial};
use crate::measurement::{Arrivals, Ending, Latencies, Lengths, Point, Requests, Spread};

/// The window begins with its first request, and ends with the trial; requests come all along.
pub(super) struct Window<'a> {
    trial: &'a Trial,
    measured: &'a [Record],
    from: Duration,
    until: Duration,
}

/// A backlog grows if the requests in flight do by more than this share of what came ...
const GROWTH_SHARE: f64 = 0.1;
/// ... and by more than this many standard deviations of a Poisson number of requests in flight.
const GROWTH_DEVIATIONS: f64 = 4.0;
/// At how many moments the requests in flight are looked at.
const LOOKS: usize = 200;

// === impl Window ===

impl<'a> Window<'a> {
    pub(super) fn new(trial: &'a Trial, until: Duration) -> Self {
        let from = trial.window_from.unwrap_or(0);
        let measured = trial.records.get(from..trial.prefix).unwrap_or_default();
        let from = trial.records.get(from).map_or(Duration::ZERO, |first| first.sent_at);
        Self { trial, measured, from, until: until.max(from) }
    }

    pub(super) fn point(&self, ended: Ending) -> Point {
        let (throughput_per_s, output_tokens_per_s) = self.throughput_per_s();
        let mut requests = Requests::default();
        let mut failures: BTreeMap<String, u32> = BTreeMap::new();
        for record in self.measured {
            match &record.end {
                Some((_, Ok(answer))) => requests.push(answer.ttft, answer.e2e, answer.output_tokens),
                Some((_, Err(failure))) => *failures.entry(failure.kind()).or_default() += 1,
                None => {}
            }
        }
        // A trial that was cut short by failures has them before any window.
        if let (Ending::Failed, Some(defect)) = (ended, &self.trial.last_defect) {
            let counted = failures.entry(defect.kind()).or_default();
            *counted = (*counted).max(self.trial.defects as u32);
        }
        Point {
            output_tokens: self.trial.shape.output_tokens,
            input_tokens: self.trial.shape.input_tokens,
            rate_per_s: self.trial.rate_per_s,
            arrived_per_s: self.arrived_per_s(),
            throughput_per_s,
            output_tokens_per_s: Some(output_tokens_per_s),
            ended,
            // In a window as short as a look's, a backlog that seems to grow is chance as likely as not.
            sustained: ended == Ending::Decided || (ended == Ending::Complete && !self.backlog_grows()),
            window_s: (self.until - self.from).as_secs_f64(),
            sent: self.trial.records.len() as u32,
            failures,
            observed: self.lengths(),
            concurrency: Spread::of(self.in_flight().into_iter()),
            client_lag_s: self.client_lag_s(),
            arrivals: self.arrivals(),
            latencies: Latencies::Requests(requests),
        }
    }

    fn arrived_per_s(&self) -> Option<f64> {
        let span_s = (self.until - self.from).as_secs_f64();
        let sent = self.trial.records.iter().map(|record| record.sent_at);
        let arrived = sent.filter(|at| *at > self.from && *at <= self.until).count();
        (span_s > 0.0).then(|| arrived as f64 / span_s)
    }

    /// To a tenth of a millisecond. Requests that failed leave gaps among the latencies, so those would belong to others.
    fn arrivals(&self) -> Option<Arrivals> {
        let failed = self.measured.iter().any(|record| !matches!(record.end, Some((_, Ok(_)))));
        let sent_s =
            self.trial.records.iter().map(|record| (record.sent_at.as_secs_f64() * 1e4).round() / 1e4).collect();
        (!failed).then(|| Arrivals { sent_s, first: self.trial.window_from.unwrap_or(0) })
    }

    /// Completions and output tokens of any request within the window, per second.
    fn throughput_per_s(&self) -> (f64, f64) {
        let ends = self.trial.records.iter().filter_map(|record| record.end.as_ref());
        let answers =
            ends.filter(|(at, _)| *at > self.from && *at <= self.until).filter_map(|(_, result)| result.as_ref().ok());
        let (count, tokens) =
            answers.fold((0.0, 0.0), |(count, tokens), answer| (count + 1.0, tokens + f64::from(answer.output_tokens)));
        let span_s = (self.until - self.from).as_secs_f64();
        if span_s > 0.0 { (count / span_s, tokens / span_s) } else { (0.0, 0.0) }
    }

    /// Requests in flight at moments spread evenly over the window.
    fn in_flight(&self) -> Vec<f64> {
        let looks =
            (0..LOOKS).map(|look| self.from + (self.until - self.from).mul_f64((look as f64 + 0.5) / LOOKS as f64));
        let is_in_flight =
            |record: &&Record, at| record.sent_at <= at && record.end.as_ref().is_none_or(|(end, _)| *end > at);
        looks.map(|at| self.trial.records.iter().filter(|record| is_in_flight(record, at)).count() as f64).collect()
    }

    /// By the straight line through the requests in flight.
    fn backlog_grows(&self) -> bool {
        let in_flight = self.in_flight();
        let n = in_flight.len() as f64;
        let mean = in_flight.iter().sum::<f64>() / n;
        let middle = (n - 1.0) / 2.0;
        let (covariance, variance) = in_flight.iter().enumerate().fold((0.0, 0.0), |(covariance, variance), (x, y)| {
            let x = x as f64 - middle;
            (covariance + x * (y - mean), variance + x * x)
        });
        let growth = covariance / variance * n;
        let arrived = self.trial.rate_per_s * (self.until - self.from).as_secs_f64();
        growth > GROWTH_SHARE * arrived && growth > GROWTH_DEVIATIONS * mean.sqrt()
    }

    fn lengths(&self) -> Option<Lengths> {
        let answers = || self.measured.iter().filter_map(|record| record.end.as_ref()?.1.as_ref().ok());
        let mean = |values: Vec<u32>| {
            let sum: f64 = values.iter().map(|value| f64::from(*value)).sum();
            (!values.is_empty()).then(|| sum / values.len() as f64)
        };
        let output_tokens = mean(answers().map(|answer| answer.output_tokens).collect())?;
        Some(Lengths {
            input_tokens: mean(answers().filter_map(|answer| answer.input_tokens).collect()),
            output_tokens,
        })
    }

    fn client_lag_s(&self) -> Option<f64> {
        Spread::of(self.measured.iter().map(|record| record.lag.as_secs_f64()))?.at(Some(99))
    }
}
