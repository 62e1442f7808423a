//! One request and its answer.

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::record::{Fate, Routing};
use crate::client::{Answer, Client, Error};
use crate::completed::Completed;
use crate::demo::cluster::SERVED_MODEL;
use crate::lengths::CHARACTERS_PER_TOKEN;
use crate::workload::Arrival;

/// A word that makes up prompts.
const WORD: &str = "word ";

/// Sends a chat request and reads the stream to its end. Latencies count from when it was due, so that a generator that is
/// late does not flatter the server.
pub(super) async fn exchange(client: &Client, arrival: Arrival, due: Instant) -> (Routing, Fate) {
    let request = client
        .post("/v1/chat/completions")
        .header("x-class", arrival.class.name())
        .header("x-sim-prompt-tokens", &arrival.prompt_tokens.to_string())
        .header("x-sim-output-tokens", &arrival.output_tokens.to_string())
        .json(&body(arrival));
    match request.open().await {
        Ok(answer) => (Routing::of(&answer), read(answer, due).await),
        Err(error) => (Routing::default(), broken(&error)),
    }
}

async fn read(answer: Answer, due: Instant) -> Fate {
    if !answer.status.is_success() {
        return Fate::Refused { status: answer.status.as_u16() };
    }
    read_stream(answer, due).await.unwrap_or_else(|error| broken(&error))
}

async fn read_stream(mut answer: Answer, due: Instant) -> Result<Fate, Error> {
    let mut first_token_at = None;
    // Usage is at the end, and an event of it may be cut in two: the last two parts hold it.
    let (mut before, mut last) = (Bytes::new(), Bytes::new());
    while let Some(part) = answer.next().await? {
        first_token_at.get_or_insert_with(Instant::now);
        before = std::mem::replace(&mut last, part);
    }
    let end = Instant::now();
    let tail = [before, last].concat();
    Ok(match (first_token_at, output_tokens(&tail)) {
        (Some(first), Some(output_tokens)) => {
            Fate::Completed(Completed { ttft: first - due, e2e: end - due, output_tokens })
        }
        _ => Fate::Broken { reason: "the answer has no usage".into() },
    })
}

/// The completion tokens that the stream's last events tell.
fn output_tokens(tail: &[u8]) -> Option<u32> {
    let text = String::from_utf8_lossy(tail);
    let mut data = text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
    data.find_map(|data| {
        let event: Value = serde_json::from_str(data).ok()?;
        event.pointer("/usage/completion_tokens")?.as_u64()?.try_into().ok()
    })
}

fn body(arrival: Arrival) -> Value {
    let characters = f64::from(arrival.prompt_tokens) * CHARACTERS_PER_TOKEN;
    let mut text = WORD.repeat((characters / WORD.len() as f64).ceil() as usize);
    text.truncate(characters as usize);
    json!({
        "model": SERVED_MODEL,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": arrival.class.max_tokens(),
        "stream": true,
        "stream_options": {"include_usage": true},
    })
}

fn broken(error: &Error) -> Fate {
    Fate::Broken { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_found_among_the_last_events() {
        let tail = b"tent\":\"x\"}}]}\n\ndata: {\"choices\":[]}\n\ndata: {\"usage\":{\"completion_tokens\":7}}\n\ndata: [DONE]\n\n";
        assert_eq!(output_tokens(tail), Some(7));
        assert_eq!(output_tokens(b"data: {}\n\ndata: [DONE]\n\n"), None);
    }
}
