//! OpenAI's Python SDK as the client.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use laboratory::gateway::within;
use laboratory::server::scripted::{Answer, Plan};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::common::{Rig, Test};

/// Runs `openai_sdk.py` and returns what it prints.
async fn sdk(rig: &Rig, what: &str) -> anyhow::Result<Value> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = env::var_os("PYTHON").map_or_else(|| manifest.join("../../target/venv/bin/python"), PathBuf::from);
    let mut command = Command::new(python);
    command.arg(manifest.join("tests/openai_sdk.py")).arg(format!("http://{}/v1", rig.envoy.address())).arg(what);
    let output = within("the SDK", command.stderr(Stdio::inherit()).kill_on_drop(true).output()).await?;
    anyhow::ensure!(output.status.success(), "openai_sdk.py: {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[tokio::test]
async fn a_plain_answer_is_understood() -> Test {
    let rig = Rig::answering(1, 4, |_| {}).await?;
    assert_eq!(sdk(&rig, "plain").await?, json!({ "content": "Hello.", "total_tokens": 15 }));
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn a_stream_is_understood() -> Test {
    let chunk = |body: Value| format!("data: {body}\n\n");
    let delta = |content: &str| {
        chunk(json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "m",
            "choices": [{ "index": 0, "delta": { "content": content }, "finish_reason": null }],
        }))
    };
    let usage = json!({ "prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12 });
    let last = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "m",
        "choices": [], "usage": usage,
    });
    let events = Answer::events().part(delta("Hel")).part(delta("lo.")).part(chunk(last)).part("data: [DONE]\n\n");
    let rig = Rig::start(1, &Plan::Answer(events), 4, |_| {}, |options| options).await?;
    assert_eq!(sdk(&rig, "stream").await?, json!({ "content": "Hello.", "total_tokens": 12 }));
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn refusals_are_its_own_exceptions() -> Test {
    let rig = Rig::answering(1, 4, |_| {}).await?;
    let expected = json!([
        { "exception": "NotFoundError", "code": "model_not_found" },
        { "exception": "BadRequestError", "code": "slo_header_malformed" },
    ]);
    assert_eq!(sdk(&rig, "refusals").await?, expected);
    Ok(())
}
