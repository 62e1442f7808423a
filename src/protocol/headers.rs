//! Headers between clients and the filter, in one table: the page of reference is made of it. Those
//! that state an objective are in [`slo_headers`](super::slo_headers).

/// Request header that asks for a policy.
pub const ROUTING_STRATEGY: &str = "routing-strategy";
/// Request header that names the model.
pub const MODEL: &str = "x-gateway-model-name";
/// Response header that names the policy that decided.
pub const POLICY: &str = "x-slo-router-policy";
/// Response header that tells the wait.
pub const WAIT_MS: &str = "x-slo-router-wait-ms";
/// Response header that tells the reason of a fallback or refusal.
pub const REASON: &str = "x-slo-router-reason";
/// Response header that names headers of the request that were not understood.
pub const IGNORED: &str = "x-slo-router-ignored";
/// Response header that names the pod.
pub const POD: &str = "x-slo-router-pod";

/// A header and its meaning, in Markdown.
#[derive(Clone, Copy, Debug)]
pub struct HeaderMeaning {
    /// Name in lower case.
    pub name: &'static str,
    /// Meaning.
    pub meaning: &'static str,
}

/// Headers of requests that are read.
pub const OF_REQUESTS: [HeaderMeaning; 2] = [
    HeaderMeaning { name: ROUTING_STRATEGY, meaning: "A policy of `allowed_strategies`, by its name." },
    HeaderMeaning { name: MODEL, meaning: "The model, where the body is not read." },
];

/// Headers of responses that are set.
pub const OF_RESPONSES: [HeaderMeaning; 5] = [
    HeaderMeaning {
        name: POLICY,
        meaning: "The policy that placed the request: the fallback's name after a fallback, `least-request` where `slo-attainment` \
                  goes by it; absent where no pod is known.",
    },
    HeaderMeaning { name: WAIT_MS, meaning: "Milliseconds from its arrival to its placement." },
    HeaderMeaning { name: REASON, meaning: "The reason of a fallback or of a refusal, see below." },
    HeaderMeaning { name: IGNORED, meaning: "Headers of the request that look like an objective and are none." },
    HeaderMeaning { name: POD, meaning: "The pod, if `response.show_pod`." },
];
