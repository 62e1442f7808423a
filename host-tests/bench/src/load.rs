//! A closed loop: each connection sends its next request as soon as it has the answer to the last.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, spawn};

/// Length of the prompt in each request.
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
        let rank = (share * self.latencies.len() as f64).ceil() as usize;
        self.latencies.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// Keeps `concurrency` requests under way at `gateway` for so long.
///
/// # Errors
/// Where an answer is anything but 200 or does not come.
pub async fn run(gateway: SocketAddr, concurrency: usize, span: Duration) -> Result<Served> {
    let body = Bytes::from(body());
    let mut senders = Vec::new();
    for _ in 0..concurrency {
        senders.push(connect(gateway).await?);
    }
    let start = Instant::now();
    let until = start + span;
    let mut connections = JoinSet::new();
    for sender in senders {
        connections.spawn(repeat(sender, body.clone(), until));
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
fn body() -> Vec<u8> {
    let text: String = TEXT.chars().cycle().take(PROMPT_BYTES).collect();
    let messages = json!([
        {"role": "system", "content": "You are a careful engineer."},
        {"role": "user", "content": text},
    ]);
    json!({"model": "llama", "messages": messages, "temperature": 0.7, "max_tokens": 256, "stream": false})
        .to_string()
        .into_bytes()
}

async fn connect(gateway: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(gateway).await.context("cannot connect to the gateway")?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its error reaches the request as well.
    spawn(async { drop(connection.await) });
    Ok(sender)
}

async fn repeat(mut sender: SendRequest<Full<Bytes>>, body: Bytes, until: Instant) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    loop {
        let start = Instant::now();
        if start >= until {
            return Ok(latencies);
        }
        let request = Request::post("/v1/chat/completions")
            .header(HOST, "gateway")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body.clone()))?;
        let mut answer = sender.send_request(request).await?;
        ensure!(answer.status() == StatusCode::OK, "the gateway answered {}", answer.status());
        while let Some(frame) = answer.frame().await {
            frame?;
        }
        latencies.push(start.elapsed());
    }
}
