//! Messages to the filter over HTTP: a simulated request, and its answer as a stream of events.

use std::time::Duration;

use serde_json::json;
use simulate::scenario::Demand;
use simulate::shipped::characters;
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::slo::{Outcome, Slo};
use wasm_host::RequestBuilder;

/// An event with one token.
pub const TOKEN: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n";

/// Makes a chat request of what arrives.
pub fn request(builder: RequestBuilder, demand: &Demand) -> RequestBuilder {
    let Demand { arrival, slo, .. } = demand;
    let text = "x".repeat(usize::try_from(characters(arrival.prompt_tokens)).unwrap());
    let body = json!({
        "model": "llama",
        "stream": true,
        "max_tokens": arrival.class.max_tokens(),
        "messages": [{"role": "user", "content": text}],
    });
    let builder = builder.to("POST", "/v1/chat/completions").header("x-class", arrival.class.name());
    let builder = objectives(slo).fold(builder, |builder, (name, value)| builder.header(name, &value));
    builder.body(body.to_string())
}

/// The last event of an answer.
pub fn usage(outcome: &Outcome) -> String {
    let Shape { input_tokens, output_tokens } = outcome.shape;
    let mut usage = json!({"prompt_tokens": input_tokens, "completion_tokens": output_tokens});
    if let Some(cached) = outcome.cached_tokens {
        usage["prompt_tokens_details"] = json!({"cached_tokens": cached});
    }
    format!("data: {}\n\ndata: [DONE]\n\n", json!({"choices": [], "usage": usage}))
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
