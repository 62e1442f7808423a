//! The endpoints of a pod.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::{Answer, BadRequest, Kind};
use super::request::{CompletionRequest, EmbeddingRequest};
use super::{PodState, lengths, stream};

/// Numbers of an embedding: few, since nobody compares them.
const EMBEDDING: [f32; 8] = [0.5, -0.5, 0.5, -0.5, 0.0, 0.0, 0.0, 0.0];

pub(super) fn router(pod: PodState) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(|state, headers, body| complete(Kind::Chat, state, headers, body)))
        .route("/v1/completions", post(|state, headers, body| complete(Kind::Text, state, headers, body)))
        .route("/v1/embeddings", post(embed))
        .route("/v1/models", get(models))
        .route("/health", get(|| async {}))
        .route("/metrics", get(metrics))
        // The gateway's limits are to be seen, not ours.
        .layer(DefaultBodyLimit::disable())
        .with_state(pod)
}

async fn complete(
    kind: Kind,
    State(pod): State<PodState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, BadRequest> {
    let request: CompletionRequest = parse(&body)?;
    if request.wants_several_choices() {
        return Err(BadRequest::new("n: only 1 is simulated"));
    }
    let prompt_tokens = lengths::prompt_tokens(&headers, request.prompt_characters()).map_err(BadRequest::new)?;
    let drawn = lengths::output_tokens(&headers, &body).map_err(BadRequest::new)?;
    let uncapped = if request.ignores_end() { u32::MAX } else { drawn };
    let output_tokens = request.output_cap().unwrap_or(drawn).clamp(1, uncapped);
    let mut generation = pod.driver.submit(prompt_tokens, output_tokens).map_err(BadRequest::new)?;
    let (include_usage, capped, number) = (request.include_usage(), output_tokens < uncapped, pod.next_answer_number());
    let answer = Answer { kind, number, model: request.model, prompt_tokens, output_tokens, capped };
    if request.stream {
        return Ok(stream::respond(answer, include_usage, generation));
    }
    while generation.next().await.is_some() {}
    Ok(Json(answer.to_json()).into_response())
}

async fn embed(State(pod): State<PodState>, headers: HeaderMap, body: Bytes) -> Result<Json<Value>, BadRequest> {
    let request: EmbeddingRequest = parse(&body)?;
    let prompt_tokens = lengths::prompt_tokens(&headers, request.input_characters()).map_err(BadRequest::new)?;
    let mut generation = pod.driver.submit(prompt_tokens, 0).map_err(BadRequest::new)?;
    while generation.next().await.is_some() {}
    let vector = |index| json!({"object": "embedding", "index": index, "embedding": EMBEDDING});
    let vectors: Vec<_> = (0..request.inputs()).map(vector).collect();
    let usage = json!({"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens});
    let answer = json!({"object": "list", "data": vectors, "model": request.model, "usage": usage});
    Ok(Json(answer))
}

async fn models(State(pod): State<PodState>) -> Json<Value> {
    let model = json!({"id": *pod.served_model, "object": "model", "created": 0, "owned_by": "slo-router"});
    Json(json!({"object": "list", "data": [model]}))
}

async fn metrics(State(pod): State<PodState>) -> Response {
    let gauges = pod.driver.gauges();
    let gauge = |name, value: f64| {
        format!("# TYPE vllm:{name} gauge\nvllm:{name}{{model_name=\"{}\"}} {value}\n", pod.served_model)
    };
    let text = [
        gauge("num_requests_running", gauges.running as f64),
        gauge("num_requests_waiting", gauges.waiting as f64),
        gauge("kv_cache_usage_perc", gauges.kv_usage()),
    ];
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text.concat()).into_response()
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, BadRequest> {
    serde_json::from_slice(body).map_err(|reason| BadRequest::new(format!("the body is not understood: {reason}")))
}
