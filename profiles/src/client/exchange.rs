//! One request and its answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::ClientOptions;
use super::sse::Stream;
use crate::measure::{Answer, Failure};
use crate::tls::http_client;

/// Completion endpoint that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Endpoint {
    /// `/v1/completions`: the prompt as it is, no template.
    Completions,
    /// `/v1/chat/completions`: the prompt as a user's message.
    Chat,
}

/// Form of the request, the same for all.
#[derive(Debug)]
pub(super) struct Exchange {
    http: Client,
    url: String,
    endpoint: Endpoint,
    model: String,
    authorization: Option<String>,
    extra_body: Map<String, Value>,
    stall_after: Duration,
    forces_length: AtomicBool,
}

/// Shorter than servers keep an idle connection (uvicorn and llama.cpp: 5 s), or a request would now and then meet one that
/// is being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// Bytes of an error's body that are worth showing.
const SHOWN_CHARACTERS: usize = 300;

// === impl Exchange ===

impl Exchange {
    pub(super) fn new(options: &ClientOptions) -> Result<Self, reqwest::Error> {
        // An open-loop client must never wait for a connection of its own making.
        let http =
            http_client().pool_max_idle_per_host(usize::MAX).pool_idle_timeout(KEEP_ALIVE).tcp_nodelay(true).build()?;
        let base = options.url.trim_end_matches('/').trim_end_matches("/v1");
        let path = match options.endpoint {
            Endpoint::Completions => "completions",
            Endpoint::Chat => "chat/completions",
        };
        Ok(Self {
            http,
            url: format!("{base}/v1/{path}"),
            endpoint: options.endpoint,
            model: options.model.clone(),
            authorization: options.api_key.as_ref().map(|key| format!("Bearer {key}")),
            extra_body: options.extra_body.clone(),
            stall_after: options.stall_after,
            forces_length: AtomicBool::new(true),
        })
    }

    pub(super) fn forces_length(&self) -> bool {
        self.forces_length.load(Ordering::Relaxed)
    }

    pub(super) fn stop_forcing_length(&self) {
        self.forces_length.store(false, Ordering::Relaxed);
    }

    /// Times count from just before the request is sent, so a wait for a connection, the upload and the server's queue all
    /// count.
    pub(super) async fn ask(&self, prompt: String, output_tokens: u32, force: bool) -> Result<Answer, Failure> {
        let request = self.request(prompt, output_tokens, force && self.forces_length());
        let sent = Instant::now();
        let response = self.within(request.send()).await?.map_err(|error| connection(&error))?;
        let response = checked(response, self.stall_after).await?;
        self.read(response, sent).await
    }

    fn request(&self, prompt: String, output_tokens: u32, force: bool) -> RequestBuilder {
        let mut body = Map::from_iter([
            ("model".to_owned(), json!(self.model)),
            ("max_tokens".to_owned(), json!(output_tokens)),
            ("stream".to_owned(), json!(true)),
            ("stream_options".to_owned(), json!({"include_usage": true})),
        ]);
        let (field, text) = match self.endpoint {
            Endpoint::Completions => ("prompt", json!(prompt)),
            Endpoint::Chat => ("messages", json!([{"role": "user", "content": prompt}])),
        };
        body.insert(field.to_owned(), text);
        if force {
            body.insert("ignore_eos".to_owned(), json!(true));
            body.insert("min_tokens".to_owned(), json!(output_tokens));
        }
        body.extend(self.extra_body.clone());
        let request = self.http.post(&self.url).json(&body);
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        }
    }

    async fn read(&self, mut response: Response, sent: Instant) -> Result<Answer, Failure> {
        let mut stream = Stream::default();
        let (mut first_output, mut first_choice) = (None, None);
        while let Some(chunk) = self.within(response.chunk()).await?.map_err(|error| connection(&error))? {
            stream.feed(&chunk).map_err(Failure::Malformed)?;
            if stream.outputs > 0 {
                first_output.get_or_insert_with(|| sent.elapsed());
            }
            if stream.choices > 0 {
                first_choice.get_or_insert_with(|| sent.elapsed());
            }
        }
        let e2e = sent.elapsed();
        if !stream.ended {
            return Err(Failure::Malformed("the stream ended in the middle of an answer".into()));
        }
        let counted = if stream.outputs > 0 { stream.outputs } else { stream.choices };
        let output_tokens = stream.usage.map_or(counted, |usage| usage.completion_tokens);
        let ttft = first_output.or(first_choice).filter(|_| output_tokens > 0).ok_or(Failure::Empty)?;
        Ok(Answer { ttft, e2e, input_tokens: stream.usage.map(|usage| usage.prompt_tokens), output_tokens })
    }

    async fn within<T>(&self, io: impl Future<Output = T>) -> Result<T, Failure> {
        timeout(self.stall_after, io).await.map_err(|_| Failure::Stalled)
    }
}

async fn checked(response: Response, stall_after: Duration) -> Result<Response, Failure> {
    let status = response.status().as_u16();
    match status {
        200 => {}
        429 | 503 => return Err(Failure::Refused(status)),
        _ => {
            let body = timeout(stall_after, response.text()).await.map_err(|_| Failure::Stalled)?;
            let body = body.unwrap_or_default().chars().take(SHOWN_CHARACTERS).collect();
            return Err(Failure::Status(status, body));
        }
    }
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.starts_with("text/event-stream") {
        return Ok(response);
    }
    Err(Failure::Malformed(format!("content type {content_type:?}, expected text/event-stream")))
}

/// With its causes: the outermost alone never says what happened.
fn connection(error: &reqwest::Error) -> Failure {
    let mut reasons = vec![error.to_string()];
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reasons.push(cause.to_string());
        source = cause.source();
    }
    Failure::Connection(reasons.join(": "))
}
