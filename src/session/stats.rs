//! Metrics. Labels are part of the name, as `_label=value_`; the shipped configurations'
//! `stats_tags` take them out.
//!
//! Increments and values go to the proxy with the next tick: sent at once, they would cost each
//! request some host calls.

use fnv::FnvHashMap;

use super::host::{Host, Metric};
use super::metrics::{self, MetricDefinition, POOL};
use crate::dispatcher::{Placement, Survey};
use crate::scheduling::deployment::DeploymentName;
use crate::scheduling::policies::PolicyName;
use crate::scheduling::prefix::ExpectedCache;
use crate::scheduling::request::Unjudged;

/// The metrics of one pool.
pub(super) struct Stats<H> {
    host: H,
    pool: String,
    /// By metric and labels.
    counters: FnvHashMap<(&'static str, LabelValues), Counted>,
    endings: FnvHashMap<(Option<usize>, PolicyName, Ending), Counted>,
    wait_ms: BufferedHistogram,
    ttft_ms: BufferedHistogram,
    e2e_ms: BufferedHistogram,
    waiting: Metric,
    in_flight: Metric,
    pods: Metric,
    pods_failing: Metric,
    /// Only where other gateways serve the same pods.
    replicas: Option<Metric>,
    /// By metric and deployment.
    speeds: FnvHashMap<(&'static str, DeploymentName), Metric>,
}

/// Values of a metric's labels, in the order in which its definition names them; none that is
/// counted by these has more than two.
type LabelValues = [Option<&'static str>; 2];

/// Reason why a request was left to Envoy's own balancing, as metrics and headers say it.
pub(super) const NO_PODS: &str = "no-pods";

const NO_LABELS: LabelValues = [None; 2];

/// A counter, and its increments that are not flushed yet.
struct Counted {
    counter: Metric,
    untold: u32,
}

/// A histogram, and its values that are not flushed yet.
struct BufferedHistogram {
    histogram: Metric,
    untold: Vec<u64>,
}

/// End of a request that was placed, for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ending {
    /// Its objective was kept.
    Kept,
    /// Its objective was missed.
    Missed,
    /// It had none.
    NoObjective,
    /// The pod refused, broke off, or answered 5xx.
    Failed,
    /// The pod answered that the request was wrong.
    ClientError,
    /// The client left.
    Abandoned,
}

// === impl Stats ===

impl<H: Host> Stats<H> {
    /// Defines the metrics of a pool.
    pub(super) fn new(host: H, pool: &str, has_replicas: bool) -> Self {
        let define = |metric| define(&host, pool, metric, &[]);
        let histogram = |metric| BufferedHistogram::new(define(metric));
        Self {
            wait_ms: histogram(&metrics::WAIT),
            ttft_ms: histogram(&metrics::TTFT),
            e2e_ms: histogram(&metrics::E2E),
            waiting: define(&metrics::WAITING),
            in_flight: define(&metrics::IN_FLIGHT),
            pods: define(&metrics::PODS),
            pods_failing: define(&metrics::PODS_FAILING),
            replicas: has_replicas.then(|| define(&metrics::REPLICAS)),
            speeds: FnvHashMap::default(),
            pool: pool.to_owned(),
            counters: FnvHashMap::default(),
            endings: FnvHashMap::default(),
            host,
        }
    }

    /// A request goes on that is not scheduled.
    pub(super) fn passed(&mut self) {
        self.count(&metrics::PASSED, NO_LABELS);
    }

    /// A request was answered here.
    pub(super) fn refused(&mut self, reason: &'static str) {
        self.count(&metrics::REFUSED, [Some(reason), None]);
    }

    /// A request was sent to a pod, with a prompt of so many tokens.
    pub(super) fn placed(&mut self, placement: &Placement, prompt_tokens: u32) {
        let ExpectedCache { available_tokens, expected_tokens } = placement.expected_cache;
        self.count_by(&metrics::PROMPT_TOKENS, NO_LABELS, prompt_tokens);
        self.count_by(&metrics::PREFIX_AVAILABLE_TOKENS, NO_LABELS, available_tokens);
        self.count_by(&metrics::PREFIX_EXPECTED_TOKENS, NO_LABELS, expected_tokens);
        self.wait_ms.record(&self.host, u64::try_from(placement.waited.as_millis()).unwrap_or(u64::MAX));
        if let Some(unjudged) = placement.unjudged {
            self.count(&metrics::FALLBACK, [Some(reason_of(unjudged)), None]);
        }
        for (met, metric) in [
            (placement.late, &metrics::LATE),
            (placement.infeasible, &metrics::INFEASIBLE),
            (placement.clamped, &metrics::CLAMPED),
            (placement.foreign_slo, &metrics::FOREIGN_SLO),
        ] {
            if met {
                self.count(metric, NO_LABELS);
            }
        }
    }

    /// A server said to have found so many tokens of a prompt in its cache.
    pub(super) fn cached(&mut self, tokens: u32) {
        self.count_by(&metrics::PREFIX_DELIVERED_TOKENS, NO_LABELS, tokens);
    }

    /// A request went on to a pod of Envoy's own choice.
    pub(super) fn unplaced(&mut self) {
        self.count(&metrics::FALLBACK, [Some(NO_PODS), None]);
    }

    /// A request that was placed ended. Its class is told by position and name.
    pub(super) fn ended(&mut self, (class, class_name): (Option<usize>, &str), policy: PolicyName, ending: Ending) {
        let counter = self.endings.entry((class, policy, ending)).or_insert_with(|| {
            let labels = [class_name, policy.as_str(), ending.as_str()];
            Counted::new(define(&self.host, &self.pool, &metrics::REQUESTS, &labels))
        });
        counter.untold = counter.untold.saturating_add(1);
    }

    /// A response was complete after so many milliseconds, its first token there after so many.
    pub(super) fn timed(&mut self, ttft_ms: Option<u64>, e2e_ms: u64) {
        if let Some(ttft_ms) = ttft_ms {
            self.ttft_ms.record(&self.host, ttft_ms);
        }
        self.e2e_ms.record(&self.host, e2e_ms);
    }

    /// A source's document changed.
    pub(super) fn source_updated(&mut self, source: &'static str) {
        self.count(&metrics::SOURCE_UPDATES, [Some(source), None]);
    }

    /// A source's document could not be had, or not be taken as a whole.
    pub(super) fn source_failed(&mut self, source: &'static str, reason: &'static str) {
        self.count(&metrics::SOURCE_ERRORS, [Some(source), Some(reason)]);
    }

    /// Records the state of all VMs together.
    pub(super) fn survey(&mut self, survey: &Survey) {
        self.host.record(self.waiting, u64::from(survey.waiting));
        self.host.record(self.in_flight, u64::from(survey.in_flight));
        self.host.record(self.pods, survey.pods as u64);
        self.host.record(self.pods_failing, survey.pods_failing as u64);
        if let (Some(gauge), Some(replicas)) = (self.replicas, survey.replicas) {
            self.host.record(gauge, replicas.into());
        }
        for speed in &survey.speeds {
            let percent = |share: f64| (share * 100.0).round() as u64;
            let figures = [
                (&metrics::STEP_PERCENT, percent(speed.of_profile)),
                (&metrics::SLOWEST_POD_PERCENT, percent(speed.slowest_pod)),
                (&metrics::STEP_ERROR_PERCENT, percent(speed.error)),
                (&metrics::STEP_RELIED_ON, u64::from(speed.is_relied_on)),
            ];
            for (metric, figure) in figures {
                let gauge = self
                    .speeds
                    .entry((metric.name, speed.deployment.clone()))
                    .or_insert_with(|| define(&self.host, &self.pool, metric, &[&speed.deployment.to_string()]));
                self.host.record(*gauge, figure);
            }
        }
    }

    /// Tells the proxy what happened since the last time.
    pub(super) fn flush(&mut self) {
        self.counters.values_mut().chain(self.endings.values_mut()).for_each(|counted| counted.flush(&self.host));
        for observed in [&mut self.wait_ms, &mut self.ttft_ms, &mut self.e2e_ms] {
            observed.flush(&self.host);
        }
    }

    fn count(&mut self, metric: &'static MetricDefinition, labels: LabelValues) {
        self.count_by(metric, labels, 1);
    }

    fn count_by(&mut self, metric: &'static MetricDefinition, labels: LabelValues, more: u32) {
        let define = || {
            let labels: Vec<&str> = labels.into_iter().flatten().collect();
            Counted::new(define(&self.host, &self.pool, metric, &labels))
        };
        let counter = self.counters.entry((metric.name, labels)).or_insert_with(define);
        counter.untold = counter.untold.saturating_add(more);
    }
}

// === impl Counted ===

impl Counted {
    const fn new(counter: Metric) -> Self {
        Self { counter, untold: 0 }
    }

    fn flush(&mut self, host: &impl Host) {
        host.add(self.counter, std::mem::take(&mut self.untold));
    }
}

// === impl BufferedHistogram ===

impl BufferedHistogram {
    /// So many values are not kept between two ticks.
    const MOST_UNTOLD: usize = 4096;

    const fn new(histogram: Metric) -> Self {
        Self { histogram, untold: Vec::new() }
    }

    fn record(&mut self, host: &impl Host, value: u64) {
        self.untold.push(value);
        if self.untold.len() >= Self::MOST_UNTOLD {
            self.flush(host);
        }
    }

    fn flush(&mut self, host: &impl Host) {
        self.untold.drain(..).for_each(|value| host.record(self.histogram, value));
    }
}

// === impl Ending ===

impl Ending {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Missed => "missed",
            Self::NoObjective => "no-objective",
            Self::Failed => "failed",
            Self::ClientError => "client-error",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Returns the reason why a request was placed by the fallback policy, as metrics and headers say
/// it.
pub(super) const fn reason_of(unjudged: Unjudged) -> &'static str {
    match unjudged {
        Unjudged::NoProfile => "no-profile",
        Unjudged::NoSlo => "no-slo",
        Unjudged::SpeedsUnknown => "speeds-unknown",
    }
}

/// Defines a metric of a pool, its labels with these values in the order of the definition.
fn define(host: &impl Host, pool: &str, metric: &MetricDefinition, values: &[&str]) -> Metric {
    let mut name = format!("slo_router.{}_{POOL}={pool}_", metric.name);
    for (label, value) in metric.labels.iter().zip(values) {
        name.extend(["_", label, "=", &as_label(value), "_"]);
    }
    host.define_metric(metric.kind, &name)
}

/// A label's value: `_` and `=` would end it.
fn as_label(value: &str) -> String {
    value.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::metrics::{FALLBACK_REASONS, LABELS, SOURCE_ERROR_REASONS};
    use super::super::sources::PARTIAL;
    use super::*;
    use crate::sources::callout::FetchError;

    fn words(words: impl IntoIterator<Item = &'static str>) -> BTreeSet<&'static str> {
        words.into_iter().collect()
    }

    #[test]
    fn the_table_of_metrics_has_each_value_that_a_label_may_have() {
        let endings =
            [Ending::Kept, Ending::Missed, Ending::NoObjective, Ending::Failed, Ending::ClientError, Ending::Abandoned];
        let outcomes = LABELS.iter().find(|label| label.name == "outcome").unwrap().values;
        assert_eq!(words(outcomes.iter().copied()), words(endings.map(Ending::as_str)));
        let unjudged = [Unjudged::NoProfile, Unjudged::NoSlo, Unjudged::SpeedsUnknown].map(reason_of);
        let fallback = unjudged.into_iter().chain([NO_PODS]);
        assert_eq!(words(FALLBACK_REASONS.iter().map(|(reason, _)| *reason)), words(fallback));
        let errors = [
            FetchError::Unsent(String::new()),
            FetchError::NoAnswer(None),
            FetchError::Timeout,
            FetchError::Status(401, None),
            FetchError::Status(404, None),
            FetchError::Status(410, None),
            FetchError::Status(500, None),
            FetchError::Empty,
            FetchError::TooLarge(1),
            FetchError::Invalid(String::new()),
        ];
        let codes = errors.iter().map(FetchError::code).chain([PARTIAL]);
        assert_eq!(words(SOURCE_ERROR_REASONS.iter().copied()), words(codes));
    }
}
