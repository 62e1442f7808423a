//! The artefact that counts prompts exactly.

use std::env;
use std::path::{Path, PathBuf};

use laboratory::gateway::{Options, find, path};
use laboratory::server::scripted::{Answer, Plan};
use serde_json::{Value, json};

use crate::common::{DEPLOYMENT, Rig, Test};

/// `SLO_ROUTER_WASM_EXACT`, or what `make build-exact` builds.
fn exact() -> PathBuf {
    let built =
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/wasm32-wasip1/release/slo_router_exact.wasm");
    env::var_os("SLO_ROUTER_WASM_EXACT").map_or_else(built, PathBuf::from)
}

/// Prompts of up to 512 tokens take a quarter of a pod, longer ones a whole one.
fn two_lengths(filter: &mut Value) {
    let profile = json!({
        "gpu": "any", "indexes": [[64], [64, 4096]], "tputs": [[4, 1]], "e2e": [[1.0, 1.0]], "slos": { "e2e": 60.0 },
    });
    filter["profiles"] = json!({ "correct": false, "inline": [{ "deployment": DEPLOYMENT, "profile": profile }] });
}

/// 400 tokens in 2,400 characters, for which the estimate is some 566.
fn prompt() -> Value {
    json!({ "model": "m", "messages": [{ "role": "user", "content": " hello".repeat(400) }] })
}

#[tokio::test]
async fn a_prompt_is_charged_by_its_exact_length() -> Test {
    let plugin = exact().display().to_string();
    let change = |filter: &mut Value| {
        two_lengths(filter);
        filter["request"] = json!({ "prompt_tokens": "exact" });
    };
    let with_exact = move |options: Options| {
        options.change(move |config| {
            let code = format!("{}/vm_config/code/local/filename", path::PLUGIN);
            *find(config, &code) = plugin.as_str().into();
        })
    };
    let rig = Rig::start(1, &Plan::Hold, 4, change, with_exact).await?;
    let pending: Vec<_> = (0..5).map(|_| rig.ask().json(&prompt()).start()).collect();
    rig.waiting(1).await;
    assert_eq!(rig.counts(), [4]);
    for arrival in 0..5 {
        rig.pods[0].arrival(arrival).await;
        rig.pods[0].answer(arrival, Answer::completion(400, 5));
    }
    drop(pending);
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn the_default_artefact_charges_the_same_prompt_by_an_estimate() -> Test {
    let rig = Rig::start(1, &Plan::Hold, 4, two_lengths, |options| options).await?;
    let _pending: Vec<_> = (0..2).map(|_| rig.ask().json(&prompt()).start()).collect();
    rig.waiting(1).await;
    assert_eq!(rig.counts(), [1]);
    Ok(())
}
