//! A closed loop: each connection sends its next request as soon as it has the answer to the last.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use serde_json::json;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::percentiles::quantile;

/// Length of a prompt, where none is asked for.
pub const PROMPT_BYTES: usize = 2048;

const TEXT: &str = "We run three services behind one gateway, and since Tuesday the second of them answers \"slowly\".\n\
                    The database looks idle; the connection pool does not. What would you look at first, and why?\n";

/// Answers to one slice of load.
#[derive(Debug)]
pub struct Served {
    /// From the first request to the last answer.
    pub wall: Duration,
    /// Time to each answer, ascending.
    pub latencies: Vec<Duration>,
}

// === impl Served ===

impl Served {
    /// The latency that this share of the answers did not exceed.
    pub fn latency(&self, share: f64) -> Duration {
        quantile(&self.latencies, share).unwrap_or_default()
    }
}

/// Keeps `concurrency` requests with prompts of so many bytes under way at `gateway` for so long.
///
/// # Errors
/// Where an answer is anything but 200 or does not come.
pub async fn run(gateway: SocketAddr, prompt_bytes: usize, concurrency: usize, span: Duration) -> Result<Served> {
    let body = Bytes::from(body(prompt_bytes));
    let mut clients = Vec::new();
    for _ in 0..concurrency {
        clients.push(Client::kept(gateway).await.context("cannot connect to the gateway")?);
    }
    let start = Instant::now();
    let until = start + span;
    let mut connections = JoinSet::new();
    for client in clients {
        connections.spawn(repeat(client, body.clone(), until));
    }
    let mut latencies = Vec::new();
    while let Some(done) = connections.join_next().await {
        latencies.append(&mut done??);
    }
    let wall = start.elapsed();
    ensure!(!latencies.is_empty(), "no answer in {span:?}");
    latencies.sort_unstable();
    Ok(Served { wall, latencies })
}

/// A chat request as clients send it.
fn body(prompt_bytes: usize) -> Vec<u8> {
    let text: String = TEXT.chars().cycle().take(prompt_bytes).collect();
    let messages = json!([
        {"role": "system", "content": "You are a careful engineer."},
        {"role": "user", "content": text},
    ]);
    json!({"model": "llama", "messages": messages, "temperature": 0.7, "max_tokens": 256, "stream": false})
        .to_string()
        .into_bytes()
}

async fn repeat(client: Client, body: Bytes, until: Instant) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    loop {
        let start = Instant::now();
        if start >= until {
            return Ok(latencies);
        }
        let request = client.post("/v1/chat/completions").header(CONTENT_TYPE.as_str(), "application/json");
        let mut answer = request.body(body.clone()).open().await?;
        ensure!(answer.status == StatusCode::OK, "the gateway answered {}", answer.status);
        while answer.next().await?.is_some() {}
        latencies.push(start.elapsed());
    }
}
