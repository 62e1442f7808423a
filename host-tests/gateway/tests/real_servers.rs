//! Conduct of real clients and servers on the wire.

use std::net::SocketAddr;

use laboratory::gateway::{Options, within};
use laboratory::server::scripted::{Answer, Plan};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::common::{DEPLOYMENT, Rig, Test, all_served, chat};

/// A pod that closes each connection after an answer without having said so, as llama-server does after streams.
async fn closing_pod() -> anyhow::Result<SocketAddr> {
    async fn answer(stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while stream.read_line(&mut line).await? > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            line.clear();
        }
        stream.read_exact(&mut vec![0; length]).await?;
        let body = r#"{"usage":{"prompt_tokens":10,"completion_tokens":5}}"#;
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
        Ok(())
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    Ok(address)
}

#[tokio::test]
async fn requests_that_wait_for_a_pod_that_closes_after_each_answer_all_get_one() -> Test {
    let address = closing_pod().await?;
    let filter = json!({
        "pool": "test",
        "capacity": { "default_concurrency": 1 },
        "pods": { "static": [{ "address": address, "deployment": DEPLOYMENT }] },
    });
    let rig = Rig::of(Vec::new(), Options::new(filter, [address])).await?;
    for _ in 0..40 {
        let asked: Vec<_> = (0..6).map(|_| rig.ask().start()).collect();
        all_served(asked).await?;
    }
    rig.idle().await;
    Ok(())
}

/// A zstd frame of one raw block.
fn zstd(data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).expect("a short body");
    let header = (length << 3 | 1).to_le_bytes();
    [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, length as u8], &header[..3], data].concat()
}

#[tokio::test]
async fn a_compressed_request_is_read_and_reaches_the_pod_as_it_can_read_it() -> Test {
    let rig = Rig::start(1, &Plan::Answer(Answer::completion(10, 5)), 1, |_| {}, |options| options).await?;
    let body: Value = chat();
    let reply = rig.client.post(crate::common::CHAT).body(zstd(body.to_string().as_bytes()));
    let reply = reply.header("content-type", "application/json").header("content-encoding", "zstd").send().await?;
    assert_eq!(reply.status, 200);
    let arrival = rig.pods[0].arrival(0).await;
    assert_eq!((serde_json::from_slice::<Value>(&arrival.body)?, arrival.header("content-encoding")), (body, None));
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn a_request_compressed_otherwise_is_refused_with_the_reason() -> Test {
    let rig = Rig::start(
        1,
        &Plan::Hold,
        1,
        |filter| drop(filter.as_object_mut().map(|it| it.remove("default_model"))),
        |it| it,
    )
    .await?;
    let reply = rig.client.post(crate::common::CHAT).body("x").header("content-encoding", "br").send().await?;
    assert_eq!((u16::from(reply.status), reply.header("x-slo-router-reason")), (400, Some("body_encoded")));
    Ok(())
}

#[tokio::test]
async fn what_is_passed_goes_to_pods_that_serve_the_model_that_it_names() -> Test {
    let change = |filter: &mut Value| {
        filter["pods"]["static"][0]["models"] = json!(["m"]);
        filter["pods"]["static"][1]["models"] = json!(["asr"]);
    };
    let rig = Rig::start(2, &Plan::Answer(Answer::completion(10, 5)), 4, change, |options| options).await?;
    let part =
        |head: &str, content: &str| format!("--x\r\ncontent-disposition: form-data; {head}\r\n\r\n{content}\r\n");
    let file = part("name=\"file\"; filename=\"a.wav\"", &"a".repeat(200_000));
    let form = format!("{file}{}--x--\r\n", part("name=\"model\"", "asr"));
    for _ in 0..8 {
        let upload = rig.client.post("/v1/audio/transcriptions").body(form.clone());
        let upload = upload.header("content-type", "Multipart/Form-Data; boundary=x");
        assert_eq!(within("an answer", upload.send()).await?.status, 200);
        let speech = rig.client.post("/v1/audio/speech").json(&json!({ "input": "hello", "model": "asr" }));
        assert_eq!(within("an answer", speech.send()).await?.status, 200);
        let named = rig.client.post("/any").body("x").header("x-gateway-model-name", "asr");
        assert_eq!(within("an answer", named.send()).await?.status, 200);
    }
    assert_eq!(rig.counts(), [0, 24]);
    assert!(rig.pods[1].arrivals().iter().any(|arrival| arrival.body == form));
    let unnamed = rig.client.post("/any").header("content-type", "application/json").body("[1");
    assert_eq!(within("an answer", unnamed.send()).await?.status, 200);
    rig.idle().await;
    Ok(())
}
