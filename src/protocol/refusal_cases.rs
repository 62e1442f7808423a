//! Cases of refusals, in one table: the page of reference is made of it.

/// Case of a refusal, as clients are told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalCase {
    /// HTTP status.
    pub status: u16,
    /// The error's `code`, the header `x-slo-router-reason` and the metrics' label `reason`.
    pub code: &'static str,
    /// Meaning, in Markdown.
    pub meaning: &'static str,
}

macro_rules! cases {
    ($($name:ident = $status:literal $code:literal $meaning:literal)*) => {
        $(pub(super) const $name: RefusalCase = RefusalCase { status: $status, code: $code, meaning: $meaning };)*

        /// All cases, by status.
        pub const REFUSAL_CASES: &[RefusalCase] = &[$($name),*];
    };
}

cases! {
    STRATEGY_UNKNOWN = 400 "strategy_unknown" "The header `routing-strategy` names no policy."
    STRATEGY_NOT_ALLOWED = 400 "strategy_not_allowed" "The header `routing-strategy` names a policy that is not in `allowed_strategies`."
    SLO_HEADER_MALFORMED = 400 "slo_header_malformed" "A header states an objective that is no positive number."
    BODY_INVALID = 400 "body_invalid" "The body is no request of its API: no JSON, or a field of the wrong type."
    BODY_ENCODED = 400 "body_encoded" "The body is compressed, and no header names its model."
    MODEL_MISSING = 400 "model_missing" "Neither the request nor `default_model` names a model."
    // OpenAI's own code for this case, which clients know.
    MODEL_NOT_FOUND = 404 "model_not_found" "No pod of the pool serves the model."
    QUEUE_FULL = 429 "queue_full" "`queue.max_requests` wait already."
    WAITED_TOO_LONG = 429 "waited_too_long" "It waited for `queue.max_wait`."
    SLO_LATE = 429 "slo_late" "It cannot keep its objective any more, and `queue.late` is `\"reject\"`."
    SLO_INFEASIBLE = 503 "slo_infeasible" "No idle pod could keep its objective, and `slo.infeasible` is `\"reject\"`."
    NO_READY_POD = 503 "no_ready_pod" "The source of pods says that there are none."
}
