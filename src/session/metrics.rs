//! Metrics of the filter, in one table: the page of reference is made of it.

use super::host::MetricKind;

/// Metric, as the filter defines it.
#[derive(Clone, Copy, Debug)]
pub struct MetricDefinition {
    /// Name, after `slo_router.`.
    pub name: &'static str,
    /// Kind.
    pub kind: MetricKind,
    /// Names of its labels beside [`POOL`].
    pub labels: &'static [&'static str],
    /// Meaning, in Markdown.
    pub meaning: &'static str,
}

/// Label that all metrics have.
pub const POOL: &str = "pool";
const CLASS: &str = "class";
const POLICY: &str = "policy";
const OUTCOME: &str = "outcome";
const REASON: &str = "reason";
const SOURCE: &str = "source";
const DEPLOYMENT: &str = "deployment";

/// Label of metrics.
#[derive(Clone, Copy, Debug)]
pub struct LabelMeaning {
    /// Name.
    pub name: &'static str,
    /// Values that it may have; empty where these are names of the configuration or of the pool, or
    /// codes of refusals.
    pub values: &'static [&'static str],
    /// Meaning, in Markdown.
    pub meaning: &'static str,
}

const fn label(name: &'static str, values: &'static [&'static str], meaning: &'static str) -> LabelMeaning {
    LabelMeaning { name, values, meaning }
}

/// All labels. `reason` has different values in each metric that has it.
pub const LABELS: &[LabelMeaning] = &[
    label(POOL, &[], "`pool` of the configuration."),
    label(CLASS, &[], "The request's class, `default` where none matches."),
    label(POLICY, &[], "The policy that placed the request."),
    label(
        OUTCOME,
        &["kept", "missed", "no-objective", "failed", "client-error", "abandoned"],
        "The request's end: its objective was kept or missed, or it had none; its pod failed it, or called it wrong; its client left.",
    ),
    label(SOURCE, &["pods", "profiles"], "The document."),
    label(DEPLOYMENT, &[], "The deployment, `/` written as `-`."),
];

/// Values of `reason` of [`FALLBACK`], and of the header `x-slo-router-reason` after a fallback.
pub const FALLBACK_REASONS: &[(&str, &str)] = &[
    ("no-profile", "No profile of the model tells how fast its pods are."),
    ("no-slo", "There are profiles, but no objective to rank by."),
    (
        "speeds-unknown",
        "`slo-attainment` knows too little of the pods' speeds, or was wrong about them: `least-request` decided.",
    ),
    ("no-pods", "No pod is known yet: Envoy's own balancing decided."),
];

/// Values of `reason` of [`SOURCE_ERRORS`].
pub const SOURCE_ERROR_REASONS: &[&str] = &[
    "unsent",
    "no-answer",
    "timeout",
    "forbidden",
    "not-found",
    "gone",
    "status",
    "empty",
    "too-large",
    "invalid",
    "partial",
];

macro_rules! metrics {
    ($($constant:ident = $name:literal $kind:ident [$($label:ident),*] $meaning:literal)*) => {
        $(pub(super) const $constant: MetricDefinition = MetricDefinition {
            name: $name,
            kind: MetricKind::$kind,
            labels: &[$($label),*],
            meaning: $meaning,
        };)*

        /// All metrics.
        pub const METRICS: &[MetricDefinition] = &[$($constant),*];
    };
}

metrics! {
    REQUESTS = "requests_total" Counter [CLASS, POLICY, OUTCOME] "Requests that were placed and have ended."
    REFUSED = "refused_total" Counter [REASON] "Requests that were refused."
    FALLBACK = "fallback_total" Counter [REASON] "Requests that another policy placed than the one that was asked for."
    LATE = "late_total" Counter [] "Requests that were placed after their latest start."
    INFEASIBLE = "infeasible_total" Counter [] "Requests that no idle pod could have served in time, and that were placed."
    CLAMPED = "clamped_total" Counter [] "Requests whose shape lies outside of their profile's axes."
    FOREIGN_SLO = "foreign_slo_total" Counter [] "Requests with another objective than the one their profile was measured for."
    PASSED = "passed_total" Counter [] "Requests that are not scheduled."
    SOURCE_UPDATES = "source_updates_total" Counter [SOURCE] "Documents of pods or profiles that differ from the one before."
    SOURCE_ERRORS = "source_errors_total" Counter [SOURCE, REASON] "Documents that could not be had, or not be taken as a whole."
    PROMPT_TOKENS = "prompt_tokens_total" Counter [] "Tokens of prompts that were sent to pods, as estimated or counted."
    PREFIX_AVAILABLE_TOKENS = "prefix_available_tokens_total" Counter [] "Those of them that were expected in the prefix cache of the pod with the most of them."
    PREFIX_EXPECTED_TOKENS = "prefix_expected_tokens_total" Counter [] "Those of them that were expected in the cache of the pod that they went to."
    PREFIX_DELIVERED_TOKENS = "prefix_delivered_tokens_total" Counter [] "Tokens of prompts that servers said to have found in their caches."
    WAIT = "wait_ms" Histogram [] "Milliseconds from a request's arrival to its placement."
    TTFT = "ttft_ms" Histogram [] "Milliseconds from a request's arrival to its first token."
    E2E = "e2e_ms" Histogram [] "Milliseconds from a request's arrival to its end."
    WAITING = "waiting" Gauge [] "Requests that wait, in all workers."
    IN_FLIGHT = "in_flight" Gauge [] "Requests that run, also on pods that the source has dropped."
    PODS = "pods" Gauge [] "Pods of the pool."
    PODS_FAILING = "pods_failing" Gauge [] "Pods that are out because they failed."
    REPLICAS = "replicas" Gauge [] "With `replicas`: gateways that this one knows of, itself included; 0 while it does not know what they do."
    STEP_PERCENT = "step_percent" Gauge [DEPLOYMENT] "Time of an iteration as learned, in % of what the profile says."
    SLOWEST_POD_PERCENT = "slowest_pod_percent" Gauge [DEPLOYMENT] "Time of an iteration of the slowest pod, in % of the others'."
    STEP_ERROR_PERCENT = "step_error_percent" Gauge [DEPLOYMENT] "Mean error of predicted iterations, in %."
    STEP_RELIED_ON = "step_relied_on" Gauge [DEPLOYMENT] "1 while predictions are relied on, 0 while they are off by 30 % to one side and `least-request` takes over."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_its_kind_is() {
        for metric in METRICS {
            assert_eq!(metric.kind == MetricKind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert_eq!(metric.kind == MetricKind::Histogram, metric.name.ends_with("_ms"), "{}", metric.name);
        }
    }
}
