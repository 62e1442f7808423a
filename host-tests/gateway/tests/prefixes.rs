//! Conversations: their turns go to the pod that has their history, whichever worker they come to.

use std::time::Duration;

use laboratory::gateway::until;
use laboratory::server::scripted::{Answer, Plan};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::common::{CHAT, Rig, Test};

const CONVERSATIONS: usize = 6;

/// Longer than the time between two ticks of a worker that is idle.
const TICK: Duration = Duration::from_millis(300);

/// The body of a conversation at one of its turns: all that was said before, and a question.
fn turn(conversation: usize, turn: usize) -> Value {
    let question = |turn: usize| json!({ "role": "user", "content": format!("{conversation} {turn} ").repeat(400) });
    let answer = json!({ "role": "assistant", "content": "yes" });
    let before = (0..turn).flat_map(|turn| [question(turn), answer.clone()]);
    json!({ "model": "m", "messages": before.chain([question(turn)]).collect::<Vec<_>>() })
}

async fn turns_stay(workers: u32) -> Test {
    // A server that finds all in its cache but what is new.
    let plan = Plan::serve(|arrival| {
        let body: Value = serde_json::from_slice(&arrival.body).unwrap_or_default();
        let messages = body["messages"].as_array().map_or(1, Vec::len);
        let usage = json!({
            "prompt_tokens": 500 * (messages + 1), "completion_tokens": 3, "prompt_tokens_details": { "cached_tokens": 500 * (messages - 1) },
        });
        let message = json!({ "role": "assistant", "content": "yes" });
        Answer::json(
            &json!({ "choices": [{ "index": 0, "finish_reason": "stop", "message": message }], "usage": usage }),
        )
    });
    let rig = Rig::start(2, &plan, 8, |filter| filter["policy"] = json!("lmetric"), |options| options.workers(workers))
        .await?;
    // That servers cache at all is known once one has said that it found something.
    for round in 0..2 {
        assert_eq!(rig.client.post(CHAT).json(&turn(CONVERSATIONS, round)).send().await?.status, 200);
    }
    let mut homes = vec![Vec::new(); CONVERSATIONS];
    for round in 0..3 {
        for (conversation, homes) in homes.iter_mut().enumerate() {
            let before = rig.counts();
            // On a connection of its own, so to any worker.
            let reply = rig.client.post(CHAT).json(&turn(conversation, round)).send().await?;
            assert_eq!(reply.status, 200, "{}", reply.text());
            homes.push(usize::from(rig.counts()[1] > before[1]));
            // What a worker placed, and that it has ended, it tells the others with its next tick at the
            // latest; a pod that counts as busy may be left for that.
            sleep(TICK).await;
        }
    }
    assert!(homes.iter().all(|pods| pods.iter().all(|pod| *pod == pods[0])), "{homes:?}");
    let delivered = (1_000 + CONVERSATIONS * (1_000 + 2_000)) as f64;
    until("the cached tokens are counted", async || {
        rig.gauge_of("slo_router_prefix_delivered_tokens_total").await == Some(delivered)
    })
    .await;
    let expected = rig.gauge_of("slo_router_prefix_expected_tokens_total").await.unwrap_or_default();
    assert!(expected > 0.5 * delivered, "{expected} of {delivered}");
    Ok(())
}

#[tokio::test]
async fn the_turns_of_a_conversation_go_to_the_pod_that_has_its_history() -> Test {
    turns_stay(1).await
}

#[tokio::test]
async fn so_they_do_where_each_comes_to_another_worker() -> Test {
    turns_stay(4).await
}
