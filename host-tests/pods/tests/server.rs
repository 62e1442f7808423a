//! A simulated pod as a real client sees it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use slo_router_pods::engine::{EngineSpec, Gpu, Model};
use slo_router_pods::server::{PodOptions, Pods};

struct Pod {
    _pods: Pods,
    url: String,
    client: reqwest::Client,
}

impl Pod {
    fn start() -> Self {
        let options = PodOptions {
            name: "h100-0".into(),
            served_model: "llama".into(),
            spec: EngineSpec::new(Gpu::H100, Model::Gqa8b).unwrap(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        };
        let pods = Pods::start(vec![options]).unwrap();
        let url = format!("http://{}", pods.pods()[0].address);
        Self { _pods: pods, url, client: reqwest::Client::new() }
    }

    async fn post(&self, path: &str, output_tokens: u32, body: Value) -> reqwest::Response {
        let request = self.client.post(format!("{}{path}", self.url));
        request.header("x-sim-output-tokens", output_tokens).json(&body).send().await.unwrap()
    }

    async fn gauge(&self, name: &str) -> f64 {
        let text = self.client.get(format!("{}/metrics", self.url)).send().await.unwrap().text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with(&format!("vllm:{name}{{"))).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    async fn wait_for_running(&self, requests: f64) {
        let seen = async {
            while self.gauge("num_requests_running").await != requests {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), seen).await.expect("requests start and end within seconds");
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
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    let events = events(&response.text().await.unwrap());
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
    let events = events(&pod.post("/v1/completions", 3, body).await.text().await.unwrap());
    let text: String = events.iter().map(|event| event["choices"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(text, " token token token");
    assert!(events.iter().all(|event| event.get("usage").is_none()));
}

#[tokio::test]
async fn a_plain_answer_is_capped_by_max_tokens() {
    let pod = Pod::start();
    let answer: Value =
        pod.post("/v1/chat/completions", 50, chat(json!({"max_tokens": 4}))).await.json().await.unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], " token token token token");
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(answer["usage"]["completion_tokens"], 4);
}

#[tokio::test]
async fn embeddings_have_a_vector_per_input() {
    let pod = Pod::start();
    let body = json!({"model": "llama", "input": ["one", "two"]});
    let answer: Value = pod.post("/v1/embeddings", 1, body).await.json().await.unwrap();
    assert_eq!(answer["data"].as_array().unwrap().len(), 2);
    assert_eq!(answer["usage"], json!({"prompt_tokens": 2, "total_tokens": 2}));
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place_streaming_or_not() {
    let pod = Pod::start();
    for stream in [true, false] {
        let client = reqwest::Client::new();
        let request = client.post(format!("{}/v1/chat/completions", pod.url)).header("x-sim-output-tokens", 100_000);
        let sent = tokio::spawn(request.json(&chat(json!({"stream": stream}))).send());
        pod.wait_for_running(1.0).await;
        if stream {
            let mut body = sent.await.unwrap().unwrap().bytes_stream();
            assert!(!body.next().await.unwrap().unwrap().is_empty());
        } else {
            sent.abort();
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
        assert_eq!(response.status(), 400);
        let answer: Value = response.json().await.unwrap();
        assert!(answer["error"]["message"].as_str().unwrap().contains(reason), "{answer}");
    }
}

#[tokio::test]
async fn models_and_health_answer() {
    let pod = Pod::start();
    let get = |path: &str| pod.client.get(format!("{}{path}", pod.url)).send();
    let models: Value = get("/v1/models").await.unwrap().json().await.unwrap();
    assert_eq!(models["data"][0]["id"], "llama");
    assert!(get("/health").await.unwrap().status().is_success());
}
