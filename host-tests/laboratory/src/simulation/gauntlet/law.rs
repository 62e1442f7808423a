//! Laws that must hold in every cell.
//!
//! A law is broken where the data leave no doubt, and in doubt where the mean breaks it but the 95 % interval over the runs (Student's
//! t, run by run with the same arrivals) reaches what is allowed. Of the laws on counts and on the pooled tail there is no interval: they hold
//! or they do not.

use serde::{Deserialize, Serialize};

use super::cells::Cell;
use super::trial::{CLAIRVOYANT, OWN, OfRun, PULL, PULL_FROM, PULL_REFERENCE, REFERENCE, Runs, SATURATION};
use crate::simulation::balance::Balance;
use crate::simulation::contender::Contender;
use crate::simulation::interval::Interval;

/// A law.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Law {
    /// At most half a point below weighted least-request in the mean over the runs.
    Mean,
    /// In no span of 30 s below it beyond doubt: by half a point, and by more than the interval that leaves one doubt in
    /// twenty over all spans of the run together.
    Span,
    /// Below saturation at least 99 % of what the best policy of the cell keeps, one that is told all lengths included.
    Clairvoyant,
    /// At loads that weighted least-request still carries nothing is refused.
    Refusal,
    /// There, of the answers that miss, the 99th percentile is late by at most a second more than its.
    Lateness,
    /// Identical pods differ by at most three requests at one moment, in the mean over time, and by a fifth in what they hold in
    /// the mean; a request, and what weighted least-request leaves them to differ by, is allowed in any case.
    Balance,
    /// From half load on a pull policy is at most two points below `least-request`.
    Pull,
}

/// Outcome of a law in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The law held.
    Holds,
    /// The law did not hold in the mean, but may.
    InDoubt,
    /// The law did not hold.
    Broken,
}

/// A law in a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The law.
    pub law: Law,
    /// Outcome of the law.
    pub outcome: Outcome,
    /// Measure of the break, in units of what the law allows; 0 and below where it holds.
    pub severity: f64,
    /// The figures.
    pub words: String,
}

/// Attainment that may be lost, in shares.
const SLACK: f64 = 0.005;
const PULL_SLACK: f64 = 0.02;
/// Share of what one that knows all keeps.
const OF_CLAIRVOYANT: f64 = 0.99;
/// A load is carried where the 99th percentile of first tokens is below so many seconds.
const CARRIED_TTFT_S: f64 = 2.0;
/// Seconds by which late answers may exceed the reference's.
const LATER_S: f64 = 1.0;
/// Identical pods may differ by so many requests at one moment.
const DIFFERENCE: f64 = 3.0;
/// They may hold so much more or less than each other in the mean, relative to what they hold, and a request in any case.
const SKEW: f64 = 0.2;
const ONE: f64 = 1.0;
/// Doubt that is left.
const DOUBT: f64 = 0.05;

impl Law {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Mean, Self::Span, Self::Clairvoyant, Self::Refusal, Self::Lateness, Self::Balance, Self::Pull];

    /// Its name, in tables and in the list of known breaks.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Span => "span",
            Self::Clairvoyant => "clairvoyant",
            Self::Refusal => "refusal",
            Self::Lateness => "lateness",
            Self::Balance => "balance",
            Self::Pull => "pull",
        }
    }
}

/// Judges a cell by all laws that apply to it.
pub fn judge(cell: &Cell, runs: &Runs) -> Vec<Judgement> {
    let of = |contender: Contender| runs.get(&contender.to_string()).map_or(&[][..], Vec::as_slice);
    let (own, reference) = (of(OWN), of(REFERENCE));
    let mut judgements = vec![mean(own, reference), span(own, reference)];
    if cell.load < SATURATION {
        let best = [REFERENCE, CLAIRVOYANT].into_iter().chain(PULL).chain([PULL_REFERENCE]).map(of);
        judgements.extend(
            best.max_by(|one, other| attainment(one).total_cmp(&attainment(other))).map(|best| clairvoyant(own, best)),
        );
    }
    if is_carried(cell, reference) {
        judgements.extend([refusal(own), lateness(own, reference)]);
    }
    if cell.pods_are_alike {
        judgements.extend(balance(own, reference));
    }
    if cell.load >= PULL_FROM {
        judgements.extend(PULL.map(|policy| pull(policy, of(policy), of(PULL_REFERENCE))));
    }
    judgements
}

/// Of answers that are not streamed the first token tells nothing: there loads below saturation count as carried.
fn is_carried(cell: &Cell, reference: &[OfRun]) -> bool {
    let ttft = Interval::of(&reference.iter().filter_map(|run| run.ttft_p99_s).collect::<Vec<_>>());
    if cell.scenario.answering.streamed {
        ttft.is_some_and(|ttft| ttft.mean < CARRIED_TTFT_S)
    } else {
        cell.load < SATURATION
    }
}

fn attainment(runs: &[OfRun]) -> f64 {
    runs.iter().map(|run| run.attainment).sum::<f64>() / runs.len().max(1) as f64
}

/// A mean that may be as low as `allowed`, a negative number.
fn at_least(law: Law, margins: &[f64], allowed: f64, unit: f64, words: String) -> Judgement {
    let interval = Interval::of(margins).unwrap_or(Interval { mean: 0.0, half_width: None });
    let outcome = match interval.ends() {
        (_, high) if high < allowed => Outcome::Broken,
        _ if interval.mean < allowed => Outcome::InDoubt,
        _ => Outcome::Holds,
    };
    Judgement { law, outcome, severity: (allowed - interval.mean) / unit, words }
}

fn margins(own: &[OfRun], other: &[OfRun], factor: f64) -> Vec<f64> {
    own.iter().zip(other).map(|(own, other)| own.attainment - factor * other.attainment).collect()
}

fn points(margins: &[f64]) -> String {
    let interval = Interval::of(margins).unwrap_or(Interval { mean: 0.0, half_width: None });
    let width = interval.half_width.map(|width| format!(" ±{:.1}", 100.0 * width)).unwrap_or_default();
    format!("{:+.1}{width}", 100.0 * interval.mean)
}

fn mean(own: &[OfRun], reference: &[OfRun]) -> Judgement {
    let margins = margins(own, reference, 1.0);
    let kept = format!("{:.1} against {:.1}", 100.0 * attainment(own), 100.0 * attainment(reference));
    at_least(Law::Mean, &margins, -SLACK, SLACK, format!("{kept}: {}", points(&margins)))
}

fn span(own: &[OfRun], reference: &[OfRun]) -> Judgement {
    let spans = own.iter().map(|run| run.spans.len()).min().unwrap_or(0);
    let confidence = 1.0 - DOUBT / spans.max(1) as f64;
    let worst = (0..spans).filter_map(|span| {
        let pairs = own.iter().zip(reference);
        let margins: Vec<f64> =
            pairs.filter_map(|(own, reference)| Some(own.spans[span]? - reference.spans[span]?)).collect();
        let interval = Interval::with_confidence(&margins, confidence)?;
        let is_broken = interval.mean < -SLACK && interval.ends().1 < 0.0;
        Some((is_broken, span, interval.mean))
    });
    // The worst of those that are broken, otherwise of all.
    let worst = worst.max_by(|one, other| one.0.cmp(&other.0).then(other.2.total_cmp(&one.2)));
    let (is_broken, span, mean) = worst.unwrap_or((false, 0, 0.0));
    Judgement {
        law: Law::Span,
        outcome: if is_broken { Outcome::Broken } else { Outcome::Holds },
        severity: if is_broken { -mean / SLACK } else { 0.0 },
        words: format!("{:+.1} in the 30 s number {}", 100.0 * mean, span + 1),
    }
}

fn clairvoyant(own: &[OfRun], best: &[OfRun]) -> Judgement {
    let margins = margins(own, best, OF_CLAIRVOYANT);
    let words = format!("{:.1} where {:.1} is possible", 100.0 * attainment(own), 100.0 * attainment(best));
    at_least(Law::Clairvoyant, &margins, 0.0, 1.0 - OF_CLAIRVOYANT, words)
}

fn refusal(own: &[OfRun]) -> Judgement {
    let refused: usize = own.iter().map(|run| run.refused).sum();
    Judgement {
        law: Law::Refusal,
        outcome: if refused > 0 { Outcome::Broken } else { Outcome::Holds },
        severity: refused as f64,
        words: format!("{refused} refused"),
    }
}

fn lateness(own: &[OfRun], reference: &[OfRun]) -> Judgement {
    let (own_s, reference_s) = (tail_s(own), tail_s(reference));
    let beyond = own_s - reference_s - LATER_S;
    Judgement {
        law: Law::Lateness,
        outcome: if beyond > 0.0 { Outcome::Broken } else { Outcome::Holds },
        severity: beyond / LATER_S,
        words: format!("{own_s:.1} s against {reference_s:.1}"),
    }
}

/// The 99th percentile (nearest rank) of how late all those of the runs were that missed; 0 where none did.
fn tail_s(runs: &[OfRun]) -> f64 {
    let mut late: Vec<f64> = runs.iter().flat_map(|run| run.late_s.iter().copied()).collect();
    late.sort_unstable_by(f64::total_cmp);
    let rank = (late.len() * 99).div_ceil(100).max(1);
    late.get(rank - 1).copied().unwrap_or(0.0)
}

/// The worse of two judgements, at a moment and in the mean; `None` where no two pods are identical.
fn balance(own: &[OfRun], reference: &[OfRun]) -> Option<Judgement> {
    let mean_of = |runs: &[OfRun], of: fn(&Balance) -> f64| {
        Interval::of(&runs.iter().filter_map(|run| run.balance.as_ref().map(of)).collect::<Vec<_>>())
    };
    let in_flight = mean_of(own, |balance| balance.in_flight)?.mean;
    let judged = |what: &str, of: fn(&Balance) -> f64, allowed: f64| {
        let found = mean_of(own, of)?;
        let allowed = allowed.max(mean_of(reference, of)?.mean);
        let outcome = match found.ends() {
            (low, _) if low > allowed => Outcome::Broken,
            _ if found.mean > allowed => Outcome::InDoubt,
            _ => Outcome::Holds,
        };
        let words = format!("pods that hold {in_flight:.1} differ by {:.1} {what}, allowed {allowed:.1}", found.mean);
        Some(Judgement { law: Law::Balance, outcome, severity: (found.mean - allowed) / allowed, words })
    };
    let at_a_moment = judged("at one moment", |balance| balance.difference, DIFFERENCE)?;
    let in_the_mean = judged("in the mean", |balance| balance.skew, (SKEW * in_flight).max(ONE))?;
    let is_worse = (in_the_mean.outcome, in_the_mean.severity) > (at_a_moment.outcome, at_a_moment.severity);
    Some(if is_worse { in_the_mean } else { at_a_moment })
}

fn pull(policy: Contender, own: &[OfRun], reference: &[OfRun]) -> Judgement {
    let margins = margins(own, reference, 1.0);
    let words = format!("{policy} {:.1}, least-request {:.1}", 100.0 * attainment(own), 100.0 * attainment(reference));
    at_least(Law::Pull, &margins, -PULL_SLACK, PULL_SLACK, words)
}

#[cfg(test)]
mod tests;
