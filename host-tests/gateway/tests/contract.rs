//! The HTTP contract: what passes, and how.

use hyper::Method;
use laboratory::client::Client;
use laboratory::gateway::{until, within};
use laboratory::server::scripted::{Answer, Plan};
use serde_json::json;

use crate::common::{CHAT, Rig, Test, chat};

#[tokio::test]
async fn every_scheduled_endpoint_is_placed() -> Test {
    let rig = Rig::answering(1, 4, |_| {}).await?;
    for (path, body) in [
        (CHAT, chat()),
        ("/v1/completions", json!({ "model": "m", "prompt": ["Say", "hello."] })),
        ("/v1/embeddings", json!({ "model": "m", "input": "Say hello." })),
        ("/v1/responses", json!({ "model": "m", "input": [{ "role": "user", "content": "Say hello." }] })),
        ("/v1/messages", json!({ "model": "m", "max_tokens": 9, "messages": [{ "role": "user", "content": "Hi" }] })),
    ] {
        let reply = rig.client.post(path).json(&body).send().await?;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert_eq!(reply.header("x-slo-router-policy"), Some("slo"), "{path}");
        assert!(reply.header("x-slo-router-wait-ms").is_some(), "{path}");
        assert_eq!(reply.header("x-slo-router-pod"), None, "{path}: the topology is not shown unless configured");
        assert_eq!(rig.pods[0].arrivals().last().map(|arrival| arrival.json()), Some(body), "{path}");
    }
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn anything_else_passes_though_the_pool_is_full() -> Test {
    let rig = Rig::holding(1, 1, 1).await?;
    let running = rig.ask().start();
    rig.pods[0].arrival(0).await;
    rig.pods[0].plan(Plan::Answer(Answer::status(204)));
    let requests = [
        rig.client.get("/v1/models"),
        rig.client.get("/health"),
        rig.client.request(Method::OPTIONS, CHAT),
        rig.client
            .post("/v1/audio/transcriptions")
            .header("content-type", "multipart/form-data; boundary=b")
            .body("--b--"),
        rig.client.post("/tokenize").body("not JSON"),
    ];
    for request in requests {
        assert_eq!(within("an answer", request.send()).await?.status, 204);
    }
    rig.pods[0].answer(0, Answer::completion(10, 5));
    assert_eq!(within("an answer", running.reply()).await?.status, 200);
    rig.idle().await;
    Ok(())
}

/// Events split where nobody would split them.
const EVENTS: [&str; 5] = [
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\nda",
    "ta: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"}}]}\n",
    "\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_",
    "tokens\":2,\"total_tokens\":12}}\n\ndata: [DO",
    "NE]\n\n",
];

async fn events_pass_as_they_come(rig: &Rig, client: &Client) -> Test {
    let id = rig.pods[0].arrivals().len();
    let mut body = chat();
    body["stream"] = json!(true);
    let asked = tokio::spawn(client.post(CHAT).json(&body).open());
    rig.pods[0].arrival(id).await;
    let pace = rig.pods[0].answer_paced(id, Answer::events());
    let mut sent = String::new();
    let mut received = Vec::new();
    pace.send(EVENTS[0]);
    sent.push_str(EVENTS[0]);
    let mut answer = within("the head of the answer", asked).await??;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    for (index, event) in EVENTS.iter().enumerate() {
        if index > 0 {
            pace.send(*event);
            sent.push_str(event);
        }
        // Each part arrives before the next is sent: nothing is held back.
        while received.len() < sent.len() {
            received.extend(within("the part", answer.next()).await?.expect("the stream goes on"));
        }
        assert_eq!(received, sent.as_bytes());
    }
    pace.end();
    assert_eq!(within("the end", answer.next()).await?, None);
    Ok(())
}

#[tokio::test]
async fn events_pass_unchanged_as_they_come() -> Test {
    let rig = Rig::holding(1, 1, 1).await?;
    events_pass_as_they_come(&rig, &rig.client).await?;
    events_pass_as_they_come(&rig, &Client::http2(rig.envoy.address()).await?).await?;
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn a_plain_answer_passes_unchanged() -> Test {
    let rig = Rig::answering(1, 4, |_| {}).await?;
    rig.pods[0].plan(Plan::Answer(Answer::json(&json!({ "usage": null, "x": 1.50 })).header("x-served-by", "vllm")));
    for client in [rig.client.clone(), Client::http2(rig.envoy.address()).await?] {
        let reply = client.post(CHAT).json(&chat()).send().await?;
        assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({ "usage": null, "x": 1.5 })));
        assert_eq!(reply.header("x-served-by"), Some("vllm"));
    }
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn a_body_in_parts_arrives_whole() -> Test {
    let rig = Rig::answering(1, 4, |_| {}).await?;
    let body = chat().to_string();
    for client in [rig.client.clone(), Client::http2(rig.envoy.address()).await?] {
        let (request, mut upload) = client.post(CHAT).header("content-type", "application/json").upload();
        let pending = request.start();
        for part in body.as_bytes().chunks(7) {
            upload.send_data(part.to_vec().into()).await?;
        }
        drop(upload);
        assert_eq!(within("an answer", pending.reply()).await?.status, 200);
    }
    assert!(rig.pods[0].arrivals().iter().all(|arrival| arrival.body == body));
    Ok(())
}

#[tokio::test]
async fn a_client_that_leaves_in_mid_upload_costs_nothing() -> Test {
    let rig = Rig::holding(1, 1, 1).await?;
    let (request, mut upload) = rig.client.post(CHAT).header("content-type", "application/json").upload();
    let pending = request.start();
    upload.send_data("{\"model\":".into()).await?;
    let active = "http.gateway.downstream_rq_active";
    until("the request is there", async || rig.stat(active).await == Some(1)).await;
    drop(pending);
    until("the request is gone", async || rig.stat(active).await == Some(0)).await;
    let next = rig.ask().start();
    rig.pods[0].arrival(0).await;
    rig.pods[0].answer(0, Answer::completion(10, 5));
    assert_eq!(within("an answer", next.reply()).await?.status, 200);
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn a_long_prompt_arrives_whole() -> Test {
    let rig = Rig::answering(1, 4, |_| {}).await?;
    for megabytes in [1, 12] {
        let mut body = chat();
        body["messages"][0]["content"] = "word ".repeat((megabytes << 20) / 5).into();
        let body = bytes::Bytes::from(body.to_string());
        for client in [rig.client.clone(), Client::http2(rig.envoy.address()).await?] {
            let request = client.post(CHAT).header("content-type", "application/json").body(body.clone());
            let reply = within("an answer", request.send()).await?;
            assert_eq!(reply.status, 200, "{megabytes} MiB: {}", reply.text());
            assert!(rig.pods[0].arrivals().last().is_some_and(|arrival| arrival.body == body));
        }
    }
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn a_body_beyond_the_buffer_is_too_large() -> Test {
    let rig = Rig::answering(1, 4, |_| {}).await?;
    let reply = within("an answer", rig.client.post(CHAT).body(vec![b' '; 17 << 20]).send()).await;
    // Envoy may close the connection before all of it is sent.
    assert!(reply.is_err() || reply.is_ok_and(|reply| reply.status == 413));
    assert_eq!(rig.counts(), [0]);
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn a_body_in_gzip_is_read_and_passed_on_decompressed() -> Test {
    const BODY: &str = r#"{"model":"m","messages":[{"role":"user","content":"Hello"}]}"#;
    // BODY by Python's gzip.compress(BODY, mtime=0).
    let gzip: &[u8] = &[
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 202, 205, 79, 73, 205, 81, 178, 82, 202, 85, 210, 81, 202, 77, 45,
        46, 78, 76, 79, 45, 86, 178, 138, 174, 86, 42, 202, 207, 73, 5, 138, 151, 22, 167, 22, 1, 165, 146, 243, 243,
        74, 82, 243, 74, 128, 2, 30, 169, 57, 57, 249, 74, 181, 177, 181, 0, 142, 70, 67, 182, 60, 0, 0, 0,
    ];
    let rig = Rig::answering(1, 4, |_| {}).await?;
    let request = rig.client.post(CHAT).header("content-type", "application/json").header("content-encoding", "gzip");
    let reply = request.body(gzip.to_vec()).send().await?;
    assert_eq!((reply.status.as_u16(), reply.header("x-slo-router-policy")), (200, Some("slo")), "{}", reply.text());
    assert_eq!(rig.pods[0].arrivals()[0].body, BODY.as_bytes());
    Ok(())
}

#[tokio::test]
async fn metrics_have_labels() -> Test {
    let rig = Rig::answering(1, 4, |_| {}).await?;
    rig.ask().send().await?;
    let text = rig.envoy.get("/stats/prometheus").await?;
    let ours: Vec<&str> = text.lines().filter(|line| line.starts_with("slo_router_")).collect();
    assert!(ours.iter().any(|line| line.contains("pool=\"test\"")), "{ours:#?}");
    // A fragment that no rule of the configuration turns into a label would stay in the name.
    assert!(
        ours.iter().all(|line| line.split('{').next().is_some_and(|name| !name.contains("pool_test"))),
        "{ours:#?}"
    );
    Ok(())
}

#[tokio::test]
async fn what_a_server_would_take_for_a_chat_request_is_scheduled() -> Test {
    let rig = Rig::answering(1, 1, |_| {}).await?;
    let body = crate::common::chat().to_string();
    for (path, kind) in [
        ("/v1/chat%2Fcompletions", "application/json"),
        ("/v1/ch%61t/completions", "application/json"),
        ("/v1/chat/completions", "multipart/form-data; boundary=b"),
        ("/v1/chat/completions", "Multipart/Mixed"),
    ] {
        let asked = rig.client.post(path).header("content-type", kind).body(body.clone());
        let reply = within("an answer", asked.send()).await?;
        assert_eq!((reply.status.as_u16(), reply.header("x-slo-router-policy")), (200, Some("slo")), "{path} {kind}");
    }
    Ok(())
}
