//! A VM that crashes while the others serve on.
//!
//! The filter itself cannot be brought to crash. So a copy of the built one runs here, in which one callback crashes the VM:
//! that for a request's trailers. Whoever sends trailers chooses the worker and the moment; all else is as it is built.

use std::time::Duration;

use anyhow::Context;
use laboratory::client::{Client, Pending};
use laboratory::gateway::{Options, find, path, within};
use laboratory::server::scripted::{Answer, Plan};
use tokio::time::Instant;
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

use crate::common::{CHAT, Rig, Test, all_served, chat};

/// Callback in which it crashes.
const CALLBACK: &str = "proxy_on_request_trailers";

/// Time that a stream may rest; longer than a dead VM's load takes to come back.
const STREAM_IDLE: &str = "6s";

/// The built filter, but that the code of [`CALLBACK`] is one `unreachable`.
fn crashing_build() -> anyhow::Result<Vec<u8>> {
    const NO_LOCALS: u8 = 0;
    const UNREACHABLE: u8 = 0;
    const NOP: u8 = 1;
    const END: u8 = 11;
    let mut build = std::fs::read(laboratory::gateway::filter()?)?;
    let (mut imported, mut callback, mut bodies) = (0, None, Vec::new());
    for payload in Parser::new(0).parse_all(&build) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    imported += usize::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if export.name == CALLBACK && export.kind == ExternalKind::Func {
                        callback = Some(export.index as usize);
                    }
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.range()),
            _ => {}
        }
    }
    let callback =
        callback.and_then(|index| bodies.get(index.checked_sub(imported)?)).context("the callback's code")?;
    // Of the same length, so that nothing moves.
    let code = &mut build[callback.clone()];
    code.fill(NOP);
    let last = code.len() - 1;
    (code[0], code[1], code[last]) = (NO_LOCALS, UNREACHABLE, END);
    Ok(build)
}

/// One pod that takes two requests at a time, behind workers that share their connections out evenly and whose VMs can be
/// crashed.
async fn start(workers: u32) -> anyhow::Result<(Rig, tempfile::TempDir)> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("plugin.wasm");
    std::fs::write(&file, crashing_build()?)?;
    let file = file.display().to_string();
    let change = move |options: Options| {
        options.workers(workers).change(move |yaml| {
            *find(yaml, &format!("{}/vm_config/code/local/filename", path::PLUGIN)) = file.as_str().into();
            *find(yaml, &format!("{}/connection_balance_config/exact_balance", path::LISTENER)) =
                serde_norway::Mapping::new().into();
            *find(yaml, &format!("{}/stream_idle_timeout", path::CONNECTION_MANAGER)) = STREAM_IDLE.into();
        })
    };
    let rig = Rig::start(1, &Plan::Hold, 2, |_| {}, change).await?;
    Ok((rig, directory))
}

fn done() -> Answer {
    Answer::completion(10, 5)
}

/// A request on this client's connection.
fn ask(client: &Client, name: &str) -> Pending {
    client.post(CHAT).json(&chat()).header("x-test-name", name).start()
}

/// Crashes the VM of the worker that has this client's connection. What the request itself gets is Envoy's answer.
async fn crash(client: &Client) -> anyhow::Result<u16> {
    let (request, mut upload) = client.post(CHAT).header("content-type", "application/json").upload();
    let answer = request.start();
    upload.send_data(chat().to_string().into()).await?;
    upload.send_trailers([("x-trailer".parse()?, "any".parse()?)].into_iter().collect()).await?;
    Ok(within("Envoy's answer", answer.reply()).await?.status.as_u16())
}

#[tokio::test]
async fn a_crashed_vm_s_load_is_back_in_two_seconds_and_the_others_go_on() -> Test {
    let (rig, _build) = start(2).await?;
    let pod = &rig.pods[0];
    // One connection for each worker.
    let (crashes, lives) = (Client::http2(rig.envoy.address()).await?, Client::http2(rig.envoy.address()).await?);
    let runs = ask(&crashes, "runs, of the VM that crashes");
    pod.arrival(0).await;
    let first = ask(&lives, "runs");
    pod.arrival(1).await;
    let waits = ask(&crashes, "waits in the VM that crashes");
    rig.waiting(1).await;
    let (second, third) = (ask(&lives, "goes on"), ask(&lives, "gets the room"));
    rig.waiting(3).await;

    let start = Instant::now();
    assert_eq!(crash(&crashes).await?, 503);
    pod.answer(1, done());
    pod.arrival(2).await;
    pod.arrival(3).await;
    let gone = start.elapsed();
    assert!((Duration::from_millis(1_500)..Duration::from_secs(4)).contains(&gone), "the room is back after {gone:?}");
    assert_eq!(rig.names(0)[1..], ["runs", "goes on", "gets the room"]);

    // What the crashed VM had a part in is lost: Envoy answers for it, when the pod does or after the stream's time.
    pod.answer(0, done());
    assert_eq!(within("an answer", runs.reply()).await?.status, 503);
    assert_eq!(within("an answer", waits.reply()).await?.status, 503);
    (2..4).for_each(|id| pod.answer(id, done()));
    all_served([first, second, third]).await?;

    for (id, client) in [(4, &lives), (5, &crashes)] {
        let next = ask(client, "next");
        pod.arrival(id).await;
        pod.answer(id, done());
        assert_eq!(within("an answer", next.reply()).await?.status, 200);
    }
    assert!(rig.a_vm_has_crashed());
    assert_eq!(rig.stat("wasm.slo-router.vm_reload_success").await, Some(1), "another VM has taken its place");
    rig.released().await;
    Ok(())
}
