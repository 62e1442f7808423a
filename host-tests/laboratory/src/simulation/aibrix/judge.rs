//! Estimates of a request: its rank on a deployment, and its pending load on a pod.

use slo_router::scheduling::profile::Profile;
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::slo::Slo;
use slo_router::scheduling::time::Instant;

use super::predictor::Predictor;
use super::rules::Rules;

/// Before anything is known; with the mended rules alone.
const COLD_MEAN: u32 = 256;

/// A request in the queue.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub arrived_at: Instant,
    pub input_tokens: u32,
    pub slo: Slo,
    /// The lengths that it is judged by, with their weights; empty if each use draws anew (AIBrix).
    pub lengths: Vec<(u32, u32)>,
    /// Its client has given up; it keeps its place all the same.
    pub cancelled: bool,
}

/// Reason that no load can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unservable {
    /// The profile has no rate for the cell: AIBrix's "SLO failure".
    SloFailure,
}

/// Asks profile and predictor.
pub(super) struct Judge<'a> {
    pub rules: &'a Rules,
    pub predictor: &'a Predictor,
    pub rng: &'a mut fastrand::Rng,
}

// === impl Judge ===

impl Judge<'_> {
    /// The lengths to judge a new request by; see [`Queued::lengths`].
    pub(super) fn lengths(&self, input_tokens: u32, true_length: u32) -> Vec<(u32, u32)> {
        if self.rules.true_lengths {
            return vec![(true_length, 1)];
        }
        if !self.rules.mean {
            return Vec::new();
        }
        let seen: Vec<_> = self.predictor.distribution(input_tokens).collect();
        if seen.is_empty() { vec![(COLD_MEAN, 1)] } else { seen }
    }

    /// One length, to file it under: a new draw, or the mean of those that it is judged by.
    pub(super) fn length(&mut self, queued: &Queued) -> u32 {
        let weight: u64 = queued.lengths.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let total: u64 = queued.lengths.iter().map(|(length, weight)| u64::from(*length) * u64::from(*weight)).sum();
        match total.checked_div(weight) {
            Some(mean) => mean as u32,
            None => self.predictor.draw(queued.input_tokens, self.rng),
        }
    }

    /// Seconds by which it is expected to be late: elapsed + expected − target. `None` if the profile has no such latency.
    /// The expectation and the target draw one length each.
    pub(super) fn rank_s(&mut self, queued: &Queued, profile: &Profile, now: Instant) -> Option<f64> {
        let excess_s = if queued.lengths.is_empty() {
            let lengths = [self.length(queued), self.length(queued)];
            self.excess_s(queued, profile, lengths)
        } else {
            mean(&queued.lengths, |length| self.excess_s(queued, profile, [length; 2]))
        };
        Some(now.since(queued.arrived_at).as_secs_f64() + excess_s?)
    }

    /// Expected − target, seconds.
    fn excess_s(&self, queued: &Queued, profile: &Profile, [expecting, targeting]: [u32; 2]) -> Option<f64> {
        let kind = queued.slo.kind()?;
        let shape = |output_tokens| Shape { output_tokens, input_tokens: queued.input_tokens };
        let expected = if self.rules.feasible {
            profile.expected_for(kind, shape(expecting))?
        } else {
            profile.expected(kind, profile.cell(shape(expecting)))?
        };
        Some(expected.as_secs_f64() - queued.slo.target(shape(targeting))?.as_secs_f64())
    }

    /// The share of a pod that it takes: 1/(rate · latency).
    pub(super) fn load(&mut self, queued: &Queued, profile: &Profile) -> Result<f64, Unservable> {
        let shape = |output_tokens| Shape { output_tokens, input_tokens: queued.input_tokens };
        let load = if queued.lengths.is_empty() {
            let drawn = self.predictor.draw(queued.input_tokens, self.rng);
            self.load_of(shape(drawn), profile)
        } else {
            mean(&queued.lengths, |length| self.load_of(shape(length), profile))
        };
        load.ok_or(Unservable::SloFailure)
    }

    fn load_of(&self, shape: Shape, profile: &Profile) -> Option<f64> {
        let cell = profile.cell(shape);
        let cell = if self.rules.feasible { profile.nearest_feasible(cell)? } else { cell };
        let rate = profile.rate_per_s(cell)?;
        // Without a latency AIBrix charges nothing.
        let load = profile.latency(cell).map_or(0.0, |latency| 1.0 / rate / latency.as_secs_f64());
        Some(if self.rules.feasible { load.min(1.0) } else { load })
    }
}

/// The mean of a value over lengths with their weights.
fn mean(lengths: &[(u32, u32)], value: impl Fn(u32) -> Option<f64>) -> Option<f64> {
    let weight: f64 = lengths.iter().map(|(_, weight)| f64::from(*weight)).sum();
    let weighted = lengths.iter().map(|(length, weight)| Some(value(*length)? * f64::from(*weight)));
    Some(weighted.sum::<Option<f64>>()? / weight)
}
