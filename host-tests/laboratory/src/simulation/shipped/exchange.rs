//! Simulated requests and answers as HTTP: what a client sends to the filter, and what a model server answers.

use std::time::Duration;

use serde_json::{Value, json};
use slo_router::dispatcher::RefusalReason;
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::slo::{Outcome, Slo};

use super::wording;
use crate::simulation::scenario::Demand;

/// Path that requests are sent to.
pub const PATH: &str = "/v1/chat/completions";

/// The only model.
const MODEL: &str = "llama";

/// Event of a streamed answer with one token, as short as one may be: the filter reads each.
pub const TOKEN: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";

/// Returns the headers of a request beyond its method and path: its type, its class and its objective.
pub fn headers(Demand { arrival, slo, .. }: &Demand) -> impl Iterator<Item = (&'static str, String)> {
    let own = [("content-type", "application/json"), ("x-class", arrival.class.name())];
    own.into_iter().map(|(name, value)| (name, value.to_owned())).chain(objectives(slo))
}

/// Returns the body of a request whose conversation begins with it; see [`body_behind`].
pub fn body(demand: &Demand) -> String {
    body_behind(demand, &[])
}

/// Returns the body of a request: a chat whose characters are those of the prompt, and whose messages end where these earlier
/// prompts and answers of its conversation did, in tokens.
pub fn body_behind(Demand { arrival, answering, .. }: &Demand, said: &[u32]) -> String {
    let (streamed, max_tokens) = (answering.streamed, arrival.class.max_tokens());
    let messages = wording::messages(arrival, said);
    // Prompts may be long, and nothing in them needs escaping.
    format!(r#"{{"model":"{MODEL}","stream":{streamed},"max_tokens":{max_tokens},"messages":{messages}}}"#)
}

/// Returns the type of an answer.
pub const fn content_type(streamed: bool) -> &'static str {
    if streamed { "text/event-stream" } else { "application/json" }
}

/// Returns the end of an answer, with the usage: the last events of a streamed one, the whole of any other.
pub fn end(outcome: &Outcome, streamed: bool) -> String {
    let usage = usage(outcome);
    if streamed {
        return format!("data: {}\n\ndata: [DONE]\n\n", json!({"choices": [], "usage": usage}));
    }
    let message = json!({"role": "assistant", "content": "x"});
    json!({"choices": [{"index": 0, "finish_reason": "stop", "message": message}], "usage": usage}).to_string()
}

/// Returns the reason that a refusal's `x-slo-router-reason` tells.
pub fn refusal(code: &str) -> Option<RefusalReason> {
    Some(match code {
        "model_not_found" => RefusalReason::UnknownModel,
        "no_ready_pod" => RefusalReason::NoReadyPod,
        "slo_infeasible" => RefusalReason::Infeasible,
        "queue_full" => RefusalReason::QueueFull,
        "waited_too_long" => RefusalReason::WaitedTooLong,
        "slo_late" => RefusalReason::Late,
        _ => return None,
    })
}

fn usage(Outcome { shape: Shape { input_tokens, output_tokens }, cached_tokens, .. }: &Outcome) -> Value {
    let mut usage = json!({"prompt_tokens": input_tokens, "completion_tokens": output_tokens});
    if let Some(cached) = cached_tokens {
        usage["prompt_tokens_details"] = json!({"cached_tokens": cached});
    }
    usage
}

fn objectives(slo: &Slo) -> impl Iterator<Item = (&'static str, String)> {
    let Slo { ttft, tpot, e2e, e2e_per_output_token, e2e_base, e2e_per_token } = *slo;
    let headers = [
        ("x-slo-ttft-ms", ttft),
        ("x-slo-tpot-ms", tpot),
        ("x-slo-e2e-ms", e2e),
        ("x-slo-e2e-per-output-token-ms", e2e_per_output_token),
        ("x-slo-e2e-base-ms", e2e_base),
        ("x-slo-e2e-per-token-ms", e2e_per_token),
    ];
    let value = |span: Duration| (span.as_secs_f64() * 1e3).to_string();
    headers.into_iter().filter_map(move |(name, span)| Some((name, value(span?))))
}
