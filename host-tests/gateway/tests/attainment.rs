//! `slo-attainment`: requests wait while sending them would cost more than it gains.

use laboratory::client::Pending;
use laboratory::gateway::{until, within};
use laboratory::server::scripted::{Answer, Plan};
use serde_json::json;

use crate::common::{CHAT, DEPLOYMENT, Rig, Test};

/// Requests whose prompts have some 3,000 tokens: on a pod that makes a token each 25 ms, and is to take at most 50 for each,
/// they stall each other.
async fn held_and_released(workers: u32) -> Test {
    const REQUESTS: usize = 60;
    let profile = json!({
        "gpu": "any", "indexes": [[64, 256], [64, 512]], "tputs": [[5.0, 2.0], [1.5, 0.8]],
        "e2e": [[1.6, 1.7], [6.4, 6.7]], "ttft": [[0.05, 0.12], [0.05, 0.12]],
    });
    let change = |filter: &mut serde_json::Value| {
        filter["policy"] = json!("slo-attainment");
        filter["slo"]["default"] = json!({ "e2e_per_output_token": "50ms" });
        filter["profiles"] = json!({ "inline": [{ "deployment": DEPLOYMENT, "profile": profile }] });
    };
    let rig = Rig::start(1, &Plan::Hold, 1, change, |options| options.workers(workers)).await?;
    let long = json!({
        "model": "m", "stream": true, "messages": [{ "role": "user", "content": "word ".repeat(2_500) }],
    });
    let pending: Vec<Pending> = (0..REQUESTS).map(|_| rig.client.post(CHAT).json(&long).start()).collect();
    until("some wait while others run", async || {
        let waiting = rig.gauge_of("slo_router_waiting").await.unwrap_or_default() as usize;
        waiting > 0 && waiting + rig.pods[0].held().len() == REQUESTS
    })
    .await;
    let mut answered = 0;
    while answered < REQUESTS {
        until("one runs", async || !rig.pods[0].held().is_empty()).await;
        for number in rig.pods[0].held() {
            rig.pods[0].answer(number, Answer::completion(3_000, 200));
            answered += 1;
        }
    }
    for pending in pending {
        let reply = within("an answer", pending.reply()).await?;
        // Pods that answer so much faster than their profile says are soon not relied on.
        let decided = (reply.header("x-slo-router-policy"), reply.header("x-slo-router-reason"));
        let truths = [(Some("slo-attainment"), None), (Some("least-request"), Some("speeds-unknown"))];
        assert!(reply.status == 200 && truths.contains(&decided), "{decided:?}");
    }
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn what_would_stall_others_is_held_until_it_does_not() -> Test {
    held_and_released(1).await
}

#[tokio::test]
async fn what_would_stall_others_of_any_worker_is_held_until_it_does_not() -> Test {
    held_and_released(4).await
}
