//! Requests that the filter answers itself.

use laboratory::client::{Client, Reply, Request};
use laboratory::gateway::within;
use laboratory::server::scripted::Plan;
use serde_json::{Value, json};

use crate::common::{CHAT, DEPLOYMENT, Rig, Test, chat, serve_in_turn, unattainable};

/// A refusal has its status, its reason as a header and, with a message for people, in an error of OpenAI's shape.
#[track_caller]
fn assert_refused(reply: &Reply, status: u16, reason: &str) {
    let text = reply.text();
    assert_eq!((reply.status.as_u16(), reply.header("x-slo-router-reason")), (status, Some(reason)), "{text}");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let error = &reply.json()["error"];
    assert_eq!(error["code"], reason);
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{text}");
    assert!(error["type"].is_string(), "{text}");
    let retry_after = reply.header("retry-after").map(str::parse::<u64>);
    assert_eq!(matches!(retry_after, Some(Ok(1..))), status == 429, "{retry_after:?}");
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_refused() -> Test {
    let rig = Rig::answering(1, 4, |filter| filter["allowed_strategies"] = json!(["slo"])).await?;
    let post = |body: &[u8]| rig.client.post(CHAT).header("content-type", "application/json").body(body.to_vec());
    let requests: Vec<(Request, u16, &str)> = vec![
        (rig.ask().header("routing-strategy", "fastest"), 400, "strategy_unknown"),
        (rig.ask().header("routing-strategy", "slo-pack-load"), 400, "strategy_not_allowed"),
        (rig.ask().header("x-slo-ttft-ms", "fast"), 400, "slo_header_malformed"),
        (rig.ask().header("x-slo-e2e-ms", "-1"), 400, "slo_header_malformed"),
        (post(b""), 400, "body_invalid"),
        (post(b"{"), 400, "body_invalid"),
        (post(b"hello"), 400, "body_invalid"),
        (post(b"{\"model\": 5, \"messages\": []}"), 400, "body_invalid"),
        (post(b"{\"model\": \"m\xff\", \"messages\": []}"), 400, "body_invalid"),
        (post(b"{\"model\": \"unknown\", \"messages\": []}"), 404, "model_not_found"),
    ];
    for (request, status, reason) in requests {
        assert_refused(&within("an answer", request.send()).await?, status, reason);
    }
    assert_eq!(rig.counts(), [0]);
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn a_request_without_model_needs_a_default() -> Test {
    let no_default =
        |filter: &mut Value| drop(filter.as_object_mut().and_then(|filter| filter.remove("default_model")));
    let rig = Rig::answering(1, 4, no_default).await?;
    let reply = rig.client.post(CHAT).json(&json!({ "messages": [] })).send().await?;
    assert_refused(&reply, 400, "model_missing");
    Ok(())
}

#[tokio::test]
async fn a_full_queue_refuses() -> Test {
    let short = |filter: &mut Value| filter["queue"] = json!({ "max_requests": 1 });
    let rig = Rig::start(1, &Plan::Hold, 1, short, |options| options).await?;
    let _running = rig.ask().start();
    rig.pods[0].arrival(0).await;
    let _waiting = rig.ask().start();
    rig.waiting(1).await;
    assert_refused(&within("an answer", rig.ask().send()).await?, 429, "queue_full");
    Ok(())
}

#[tokio::test]
async fn waiting_has_a_bound() -> Test {
    let short = |filter: &mut Value| filter["queue"] = json!({ "max_wait": "300ms" });
    let rig = Rig::start(1, &Plan::Hold, 1, short, |options| options).await?;
    let _running = rig.ask().start();
    rig.pods[0].arrival(0).await;
    let reply = within("an answer", rig.ask().send()).await?;
    assert_refused(&reply, 429, "waited_too_long");
    assert!(reply.ended - reply.sent >= std::time::Duration::from_millis(300), "it has waited");
    rig.waiting(0).await;
    Ok(())
}

#[tokio::test]
async fn a_late_request_is_refused_where_so_configured() -> Test {
    let reject = |filter: &mut Value| filter["queue"] = json!({ "late": "reject" });
    let rig = Rig::start(1, &Plan::Hold, 1, reject, |options| options).await?;
    let _running = rig.ask().start();
    rig.pods[0].arrival(0).await;
    // It takes a second once it runs; it cannot wait longer than the fraction.
    let reply = within("an answer", rig.ask().header("x-slo-e2e-ms", "1200").send()).await?;
    assert_refused(&reply, 429, "slo_late");
    Ok(())
}

#[tokio::test]
async fn an_infeasible_request_is_refused_where_so_configured() -> Test {
    let reject = |filter: &mut Value| {
        filter["slo"]["infeasible"] = json!("reject");
        filter["profiles"]["inline"] = json!([unattainable(DEPLOYMENT, "m")]);
    };
    let rig = Rig::answering(1, 4, reject).await?;
    assert_refused(&within("an answer", rig.ask().send()).await?, 503, "slo_infeasible");
    assert_eq!(rig.counts(), [0]);
    Ok(())
}

#[tokio::test]
async fn an_infeasible_request_is_served_by_default() -> Test {
    let profile = |filter: &mut Value| filter["profiles"]["inline"] = json!([unattainable(DEPLOYMENT, "m")]);
    let rig = Rig::answering(1, 4, profile).await?;
    assert_eq!(within("an answer", rig.ask().send()).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_late_request_goes_last_by_default() -> Test {
    let rig = Rig::holding(1, 1, 1).await?;
    let running = rig.ask_as("running").start();
    rig.pods[0].arrival(0).await;
    // Expected to take a second, it is late at once.
    let late = rig.ask_as("late").header("x-slo-e2e-ms", "500").start();
    rig.waiting(1).await;
    let timely = rig.ask_as("timely").start();
    rig.waiting(2).await;
    serve_in_turn(&rig.pods[0], 3, [running, late, timely]).await?;
    assert_eq!(rig.names(0), ["running", "timely", "late"]);
    Ok(())
}

#[tokio::test]
async fn a_refusal_is_the_same_over_http2() -> Test {
    let rig = Rig::answering(1, 4, |_| {}).await?;
    let client = Client::http2(rig.envoy.address()).await?;
    let reply = client.post(CHAT).json(&chat()).header("x-slo-tpot-ms", "quick").send().await?;
    assert_refused(&reply, 400, "slo_header_malformed");
    Ok(())
}

#[tokio::test]
async fn a_bad_request_that_was_read_whole_keeps_its_connection() -> Test {
    let rig = Rig::answering(1, 1, |_| {}).await?;
    let whole = rig.client.post("/v1/chat/completions").body("no JSON").send().await?;
    assert_eq!((whole.status.as_u16(), whole.header("connection")), (400, None), "{}", whole.text());
    let unread = rig.ask().header("routing-strategy", "none").send().await?;
    assert_eq!((unread.status.as_u16(), unread.header("connection")), (400, Some("close")));
    Ok(())
}

#[tokio::test]
async fn errors_of_anthropics_api_have_its_shape_and_name_headers_that_are_none() -> Test {
    let rig = Rig::answering(1, 1, |_| {}).await?;
    let reply = rig.client.post("/v1/messages").header("x-slo-ttfft-ms", "5").body("[]").send().await?;
    let body: serde_json::Value = serde_json::from_str(&reply.text())?;
    assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!("invalid_request_error")));
    assert_eq!(reply.header("x-slo-router-ignored"), Some("x-slo-ttfft-ms"));
    let served = rig.ask().header("x-slo-ttfft-ms", "5").send().await?;
    assert_eq!((served.status.as_u16(), served.header("x-slo-router-ignored")), (200, Some("x-slo-ttfft-ms")));
    Ok(())
}
