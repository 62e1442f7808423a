//! The endpoints of a pod.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::{Answer, BadRequest, Kind};
use super::request::{CompletionRequest, EmbeddingRequest};
use super::stream::{AnswerBody, respond, whole};
use super::{PodState, lengths};

/// Numbers of an embedding: few, since nobody compares them.
const EMBEDDING: [f32; 8] = [0.5, -0.5, 0.5, -0.5, 0.0, 0.0, 0.0, 0.0];

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; version=0.0.4";

/// Answers a request, whatever it asks for.
pub(super) async fn answer(pod: PodState, request: Request<Incoming>) -> Result<Response<AnswerBody>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let answered = match (head.method.as_str(), head.uri.path()) {
        ("POST", "/v1/chat/completions") => pod.complete(Kind::Chat, &head.headers, &body).await,
        ("POST", "/v1/completions") => pod.complete(Kind::Text, &head.headers, &body).await,
        ("POST", "/v1/embeddings") => pod.embed(&head.headers, &body).await,
        ("GET", "/v1/models") => Ok(ok(&pod.models())),
        ("GET", "/health") => Ok(whole(StatusCode::OK, TEXT, Bytes::new())),
        ("GET", "/metrics") => Ok(whole(StatusCode::OK, TEXT, pod.metrics())),
        _ => Ok(whole(StatusCode::NOT_FOUND, TEXT, Bytes::new())),
    };
    Ok(answered.unwrap_or_else(|error| whole(StatusCode::BAD_REQUEST, JSON, error.to_json().to_string())))
}

// === impl PodState ===

impl PodState {
    async fn complete(&self, kind: Kind, headers: &HeaderMap, body: &[u8]) -> Result<Response<AnswerBody>, BadRequest> {
        let request: CompletionRequest = parse(body)?;
        if request.wants_several_choices() {
            return Err(BadRequest::new("n: only 1 is simulated"));
        }
        let prompt_tokens = lengths::prompt_tokens(headers, request.prompt_characters()).map_err(BadRequest::new)?;
        let drawn = lengths::output_tokens(headers, body).map_err(BadRequest::new)?;
        let uncapped = if request.ignores_end() { u32::MAX } else { drawn };
        let output_tokens = request.output_cap().unwrap_or(drawn).clamp(1, uncapped);
        let generation = self.driver.submit(prompt_tokens, output_tokens).map_err(BadRequest::new)?;
        let (include_usage, capped, number) =
            (request.include_usage(), output_tokens < uncapped, self.next_answer_number());
        let answer = Answer { kind, number, model: request.model, prompt_tokens, output_tokens, capped };
        if request.stream {
            return Ok(respond(answer, include_usage, generation));
        }
        generation.end().await;
        Ok(ok(&answer.to_json()))
    }

    async fn embed(&self, headers: &HeaderMap, body: &[u8]) -> Result<Response<AnswerBody>, BadRequest> {
        let request: EmbeddingRequest = parse(body)?;
        let prompt_tokens = lengths::prompt_tokens(headers, request.input_characters()).map_err(BadRequest::new)?;
        self.driver.submit(prompt_tokens, 0).map_err(BadRequest::new)?.end().await;
        let vector = |index| json!({"object": "embedding", "index": index, "embedding": EMBEDDING});
        let vectors: Vec<_> = (0..request.inputs()).map(vector).collect();
        let usage = json!({"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens});
        Ok(ok(&json!({"object": "list", "data": vectors, "model": request.model, "usage": usage})))
    }

    fn models(&self) -> Value {
        let model = json!({"id": *self.served_model, "object": "model", "created": 0, "owned_by": "slo-router"});
        json!({"object": "list", "data": [model]})
    }

    fn metrics(&self) -> String {
        let gauges = self.driver.gauges();
        let gauge = |name, value: f64| {
            format!("# TYPE vllm:{name} gauge\nvllm:{name}{{model_name=\"{}\"}} {value}\n", self.served_model)
        };
        let gauges = [
            gauge("num_requests_running", gauges.running as f64),
            gauge("num_requests_waiting", gauges.waiting as f64),
            gauge("kv_cache_usage_perc", gauges.kv_usage()),
        ];
        gauges.concat()
    }
}

fn ok(body: &Value) -> Response<AnswerBody> {
    whole(StatusCode::OK, JSON, body.to_string())
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, BadRequest> {
    serde_json::from_slice(body).map_err(|reason| BadRequest::new(format!("the body is not understood: {reason}")))
}
