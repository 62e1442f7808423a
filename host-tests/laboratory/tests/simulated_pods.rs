//! A simulated pod as a real client sees it.

use laboratory::client::{Client, Reply, Request};
use laboratory::engine::{EngineSpec, Gpu, Model};
use laboratory::gateway::{until, within};
use laboratory::server::Servers;
use laboratory::server::simulated::{self, PodOptions};
use serde_json::{Value, json};

struct Pod {
    _pods: Servers,
    client: Client,
}

impl Pod {
    fn start() -> Self {
        let spec = EngineSpec::new(Gpu::H100, Model::Gqa8b).unwrap();
        let pods = simulated::start(vec![PodOptions::new(spec)]).unwrap();
        Self { client: Client::http1(pods.addresses()[0]), _pods: pods }
    }

    fn request(&self, path: &str, output_tokens: u32, body: Value) -> Request {
        self.client.post(path).header(simulated::OUTPUT_HEADER, &output_tokens.to_string()).json(&body)
    }

    async fn post(&self, path: &str, output_tokens: u32, body: Value) -> Reply {
        within("an answer", self.request(path, output_tokens, body).send()).await.unwrap()
    }

    async fn gauge(&self, name: &str) -> f64 {
        let text = self.client.get("/metrics").send().await.unwrap().text();
        let line = text.lines().find(|line| line.starts_with(&format!("vllm:{name}{{"))).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    async fn wait_for_running(&self, requests: f64) {
        until("so many requests run", async || self.gauge("num_requests_running").await == requests).await;
    }
}

fn chat(extra: Value) -> Value {
    let mut body = json!({"model": "llama", "messages": [{"role": "user", "content": "x".repeat(424)}]});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    body
}

/// The data of each event.
fn events(stream: &str) -> Vec<Value> {
    let events: Vec<_> = stream.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap()).collect();
    let (done, events) = events.split_last().unwrap();
    assert_eq!(*done, "[DONE]");
    events.iter().map(|event| serde_json::from_str(event).unwrap()).collect()
}

#[tokio::test]
async fn a_chat_stream_opens_with_the_role_and_ends_with_reason_usage_and_done() {
    let pod = Pod::start();
    let body = chat(json!({"stream": true, "stream_options": {"include_usage": true}}));
    let response = pod.post("/v1/chat/completions", 5, body).await;
    assert!(response.header("content-type").unwrap().starts_with("text/event-stream"));
    let events = events(&response.text());
    assert_eq!(events.len(), 1 + 5 + 1 + 1);
    assert!(events.iter().all(|event| event["object"] == "chat.completion.chunk" && event["id"] == events[0]["id"]));
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    assert!(events[1..6].iter().all(|event| event["choices"][0]["delta"]["content"] == " token"));
    assert_eq!(events[6]["choices"][0]["finish_reason"], "stop");
    assert_eq!(events[7]["choices"], json!([]));
    assert_eq!(events[7]["usage"], json!({"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}));
}

#[tokio::test]
async fn a_text_stream_without_include_usage_has_none() {
    let pod = Pod::start();
    let body = json!({"model": "llama", "prompt": ["a", "b"], "stream": true});
    let events = events(&pod.post("/v1/completions", 3, body).await.text());
    let text: String = events.iter().map(|event| event["choices"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(text, " token token token");
    assert!(events.iter().all(|event| event.get("usage").is_none()));
}

#[tokio::test]
async fn a_plain_answer_is_capped_by_max_tokens() {
    let pod = Pod::start();
    let answer = pod.post("/v1/chat/completions", 50, chat(json!({"max_tokens": 4}))).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], " token token token token");
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(answer["usage"]["completion_tokens"], 4);
}

#[tokio::test]
async fn embeddings_have_a_vector_per_input() {
    let pod = Pod::start();
    let body = json!({"model": "llama", "input": ["one", "two"]});
    let answer = pod.post("/v1/embeddings", 1, body).await.json();
    assert_eq!(answer["data"].as_array().unwrap().len(), 2);
    assert_eq!(answer["usage"], json!({"prompt_tokens": 2, "total_tokens": 2}));
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place_streaming_or_not() {
    let pod = Pod::start();
    for stream in [true, false] {
        let request = pod.request("/v1/chat/completions", 100_000, chat(json!({"stream": stream})));
        if stream {
            let mut answer = request.open().await.unwrap();
            assert!(!answer.next().await.unwrap().unwrap().is_empty());
            pod.wait_for_running(1.0).await;
        } else {
            let _sent = request.start();
            pod.wait_for_running(1.0).await;
        }
        pod.wait_for_running(0.0).await;
        assert_eq!(pod.gauge("kv_cache_usage_perc").await, 0.0);
    }
}

#[tokio::test]
async fn bad_requests_say_what_is_wrong() {
    let pod = Pod::start();
    let too_long = json!({"model": "llama", "prompt": "x", "max_tokens": 4_000_000});
    for (body, reason) in [
        (json!({"prompt": "x"}), "missing field `model`"),
        (json!({"model": "llama", "prompt": "x", "n": 2}), "n: only 1"),
        (too_long, "exceed"),
    ] {
        let response = pod.post("/v1/completions", 4_000_000, body).await;
        assert_eq!(response.status, 400);
        let answer = response.json();
        assert!(answer["error"]["message"].as_str().unwrap().contains(reason), "{answer}");
    }
}

#[tokio::test]
async fn models_and_health_answer() {
    let pod = Pod::start();
    let models = pod.client.get("/v1/models").send().await.unwrap().json();
    assert_eq!(models["data"][0]["id"], "llama");
    assert_eq!(pod.client.get("/health").send().await.unwrap().status, 200);
}
