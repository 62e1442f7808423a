//! Conversations: their turns go to the pod that has their history, whichever worker they come to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use laboratory::gateway::until;
use laboratory::server::scripted::{Answer, Plan, Pod};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::common::{CHAT, Rig, Test, filter};

const CONVERSATIONS: usize = 6;

/// Longer than the time between two ticks of a worker that is idle.
const TICK: Duration = Duration::from_millis(300);

/// The body of a conversation at one of its turns: all that was said before, and a question.
pub fn conversation(number: usize, turn: usize) -> Value {
    let question = |turn: usize| json!({ "role": "user", "content": format!("{number} {turn} ").repeat(400) });
    let answer = json!({ "role": "assistant", "content": "yes" });
    let before = (0..turn).flat_map(|turn| [question(turn), answer.clone()]);
    json!({ "model": "m", "messages": before.chain([question(turn)]).collect::<Vec<_>>() })
}

/// An answer to a prompt of so many tokens, some of which were cached.
fn answer(prompt_tokens: usize, cached_tokens: usize) -> Answer {
    let details = json!({ "cached_tokens": cached_tokens });
    let usage = json!({ "prompt_tokens": prompt_tokens, "completion_tokens": 3, "prompt_tokens_details": details });
    let message = json!({ "role": "assistant", "content": "yes" });
    Answer::json(&json!({ "choices": [{ "index": 0, "finish_reason": "stop", "message": message }], "usage": usage }))
}

async fn turns_stay(workers: u32) -> Test {
    // A server that finds all in its cache but what is new.
    let plan = Plan::serve(|arrival| {
        let body: Value = serde_json::from_slice(&arrival.body).unwrap_or_default();
        let messages = body["messages"].as_array().map_or(1, Vec::len);
        answer(500 * (messages + 1), 500 * (messages - 1))
    });
    let rig = Rig::start(2, &plan, 8, |filter| filter["policy"] = json!("lmetric"), |options| options.workers(workers))
        .await?;
    // That servers cache at all is known once one has said that it found something.
    for round in 0..2 {
        assert_eq!(rig.client.post(CHAT).json(&conversation(CONVERSATIONS, round)).send().await?.status, 200);
    }
    let mut homes = vec![Vec::new(); CONVERSATIONS];
    for round in 0..3 {
        for (number, homes) in homes.iter_mut().enumerate() {
            let before = rig.counts();
            // On a connection of its own, so to any worker.
            let reply = rig.client.post(CHAT).json(&conversation(number, round)).send().await?;
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

/// Names a session.
pub const SESSION: &str = "x-session-id";

/// Odd, so that pods that take turns do not keep to sessions.
const SESSIONS: usize = 5;

/// A server that computes what it has not cached of a conversation, and says how much it had.
pub fn server_with_a_cache() -> Plan {
    let cache = Mutex::<BTreeMap<String, usize>>::default();
    Plan::serve(move |arrival| {
        let body: Value = serde_json::from_slice(&arrival.body).unwrap_or_default();
        let prompt = 500 * body["messages"].as_array().map_or(1, Vec::len);
        let session = arrival.header(SESSION).unwrap_or_default().to_owned();
        let cached = cache.lock().unwrap_or_else(PoisonError::into_inner).insert(session, prompt).unwrap_or_default();
        answer(prompt, cached)
    })
}

async fn sessions_stay(policy: &str, workers: u32) -> Test {
    let pods = (0..2).map(|_| Pod::start(server_with_a_cache())).collect::<std::io::Result<Vec<_>>>()?;
    let mut filter = filter(&pods, 8);
    filter["policy"] = json!(policy);
    filter["request"] = json!({ "inspect": "headers", "session_header": SESSION });
    filter["default_model"] = json!("m");
    let rig = Rig::with(pods, filter, |options| options.workers(workers)).await?;
    let (mut moved, mut followed) = (0, 0);
    let mut homes: BTreeMap<usize, usize> = BTreeMap::new();
    for round in 0..6 {
        for session in 0..SESSIONS {
            let before = rig.counts();
            let request =
                rig.client.post(CHAT).header(SESSION, &session.to_string()).json(&conversation(session, round));
            let reply = request.send().await?;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let pod = usize::from(rig.counts()[1] > before[1]);
            // That servers cache at all is known once one has said that it found something.
            if let Some(home) = homes.insert(session, pod).filter(|_| round > 1) {
                followed += 1;
                moved += usize::from(home != pod);
            }
            sleep(TICK).await;
        }
    }
    assert!(moved * 8 <= followed, "{moved} of {followed} turns went elsewhere");
    assert!([0, 1].iter().all(|pod| homes.values().any(|home| home == pod)), "sessions are on both: {homes:?}");
    let counted = async |of: &str| rig.gauge_of(&format!("slo_router_{of}_tokens_total")).await.unwrap_or_default();
    let delivered = counted("prefix_delivered").await;
    let (available, expected) = (counted("prefix_available").await, counted("prefix_expected").await);
    // Other workers know a prompt's length as it was expected when it was placed, not as it was measured.
    let least = if workers == 1 { 0.5 } else { 0.25 };
    assert!(least * delivered < expected && expected <= available, "{expected} of {available}, {delivered} delivered");
    assert!(available < counted("prompt").await);
    Ok(())
}

#[tokio::test]
async fn the_turns_of_a_session_go_to_one_pod_where_bodies_are_not_read() -> Test {
    sessions_stay("slo-attainment", 1).await
}

#[tokio::test]
async fn so_they_do_by_uncached_tokens_and_whichever_worker_they_come_to() -> Test {
    sessions_stay("lmetric", 4).await
}

const RESPONSES: &str = "/v1/responses";

/// A server that stores its responses in its own memory.
fn server_that_stores(name: usize) -> Plan {
    let stored = Mutex::<BTreeSet<String>>::default();
    Plan::serve(move |arrival| {
        let body: Value = serde_json::from_slice(&arrival.body).unwrap_or_default();
        let mut stored = stored.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(previous) = body["previous_response_id"].as_str().filter(|id| !stored.contains(*id)) {
            let message = format!("Response with id '{previous}' not found.");
            return Answer::status(404)
                .header("content-type", "application/json")
                .part(json!({ "error": { "message": message, "param": "response_id", "code": 404 } }).to_string());
        }
        let id = format!("resp_{name}_{}", stored.len());
        stored.insert(id.clone());
        let usage = json!({ "input_tokens": 10, "output_tokens": 3 });
        let response = json!({ "id": id, "object": "response", "status": "completed", "output": [], "usage": usage });
        if body["stream"] != json!(true) {
            return Answer::json(&response);
        }
        let event = |name: &str| {
            let event = json!({ "type": name, "response": response });
            format!("event: {name}\ndata: {event}\n\n")
        };
        Answer::events().part(event("response.created")).part(event("response.completed"))
    })
}

/// The id of the response in an answer, streamed or not.
fn response_id(answer: &str) -> Option<String> {
    let (_, behind) = answer.split_once(r#""id":""#)?;
    behind.split_once('"').map(|(id, _)| id.to_owned())
}

async fn responses_are_followed(policy: &str) -> Test {
    let pods = (0..3).map(|name| Pod::start(server_that_stores(name))).collect::<std::io::Result<Vec<_>>>()?;
    let mut filter = filter(&pods, 8);
    filter["policy"] = json!(policy);
    let rig = Rig::with(pods, filter, |options| options.workers(4)).await?;
    for number in 0..12 {
        let mut previous = None;
        // Each on a connection of its own, so to any worker, and as soon as the one before has ended.
        for turn in 0..5 {
            let body = json!({
                "model": "m", "input": "go on", "stream": (number + turn) % 2 == 0, "previous_response_id": previous,
            });
            let reply = rig.client.post(RESPONSES).json(&body).send().await?;
            assert_eq!(reply.status, 200, "{policy}: turn {turn} of {number}: {}", reply.text());
            previous = response_id(&reply.text());
            assert!(previous.is_some(), "{}", reply.text());
        }
    }
    assert!(rig.counts().iter().filter(|count| **count > 0).count() > 1, "{:?}", rig.counts());
    let unknown = json!({ "model": "m", "input": "go on", "previous_response_id": "resp_9" });
    assert_eq!(rig.client.post(RESPONSES).json(&unknown).send().await?.status, 404, "it is the server's to say");
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn what_goes_on_from_a_stored_response_goes_to_the_pod_that_has_it() -> Test {
    for policy in ["slo-attainment", "slo", "random"] {
        responses_are_followed(policy).await?;
    }
    Ok(())
}
