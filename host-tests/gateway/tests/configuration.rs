//! The filter's configuration at start and while requests run.

use laboratory::client::Pending;
use laboratory::gateway::{Envoy, Error, Options, find, path, until};
use laboratory::server::scripted::{Answer, Plan, Pod};
use serde_json::{Value, json};

use crate::common::{Rig, Test, filter, pods, serve_in_turn, turn};

/// Changes that make the configuration invalid, and what the message must name.
fn invalid() -> Vec<(Value, &'static str)> {
    vec![
        (json!({ "polcy": "slo" }), "polcy"),
        (json!({ "policy": "fastest" }), "fastest"),
        (json!({ "queue": { "max_wait": "soon" } }), "queue.max_wait"),
        (json!({ "queue": { "max_requests": -1 } }), "queue.max_requests"),
        (json!({ "pods": { "static": [{ "address": "10.0.0.7", "deployment": "default/a" }] } }), "10.0.0.7"),
        (json!({ "slo": { "default": { "ttft": 500 } } }), "slo.default.ttft"),
    ]
}

fn changed(mut filter: Value, change: &Value) -> Value {
    for (field, value) in change.as_object().into_iter().flatten() {
        filter[field] = value.clone();
    }
    filter
}

#[tokio::test]
async fn an_invalid_configuration_is_refused_with_its_message() -> Test {
    let _turn = turn()?;
    let pods = pods(1, &Plan::Hold)?;
    let options = |filter| Options::new(filter, pods.iter().map(Pod::address));
    for (change, named) in invalid() {
        let refused = Envoy::validate(&options(changed(filter(&pods, 4), &change))).await;
        assert!(matches!(&refused, Err(Error::Exited { log, .. }) if log.contains(named)), "{named}: {refused:?}");
    }
    let started = Envoy::start(options(changed(filter(&pods, 4), &invalid()[0].0))).await;
    assert!(matches!(&started, Err(Error::Exited { log, .. }) if log.contains("polcy")), "{started:?}");
    Ok(())
}

#[tokio::test]
async fn a_struct_is_refused_with_a_hint() -> Test {
    let _turn = turn()?;
    let options = Options::new(json!({}), []).change(|yaml| {
        let value = json!({ "@type": "type.googleapis.com/google.protobuf.Struct", "value": { "pool": "test" } });
        let plugin = find(yaml, path::PLUGIN);
        *find(plugin, "configuration") = serde_norway::to_value(value).unwrap();
    });
    let refused = Envoy::validate(&options).await;
    assert!(matches!(&refused, Err(Error::Exited { log, .. }) if log.contains("StringValue")), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn the_start_is_logged_with_version_and_summary() -> Test {
    let rig = Rig::answering(1, 4, |_| {}).await?;
    let log = rig.envoy.stop().await?;
    let version = concat!("slo-router ", env!("CARGO_PKG_VERSION"), " (");
    let line = log.lines().find(|line| line.contains(version)).unwrap_or_default();
    assert!(["pool test", "policy slo", "1 static"].iter().all(|said| line.contains(said)), "{log}");
    Ok(())
}

#[tokio::test]
async fn an_invalid_update_is_refused_and_the_old_configuration_serves_on() -> Test {
    let mut rig = Rig::start(1, &Plan::Answer(Answer::completion(10, 5)), 4, |_| {}, Options::dynamic).await?;
    let good = filter(&rig.pods, 4);
    for (change, named) in invalid() {
        let refused = rig.envoy.update(changed(good.clone(), &change)).await;
        assert!(matches!(&refused, Err(Error::Refused { log }) if log.contains(named)), "{named}: {refused:?}");
        assert_eq!(rig.ask().send().await?.status, 200);
    }
    rig.envoy.update(changed(good, &json!({ "policy": "slo-pack-load" }))).await?;
    until("the valid update is followed", async || {
        let reply = rig.ask().send().await;
        reply.is_ok_and(|reply| reply.header("x-slo-router-policy") == Some("slo-pack-load"))
    })
    .await;
    Ok(())
}

/// Gives the gateway another build of the filter: a custom section more, and so another VM for Envoy.
fn other_build(options: Options) -> anyhow::Result<(Options, tempfile::TempDir)> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("plugin.wasm");
    let mut build = std::fs::read(laboratory::gateway::filter()?)?;
    // Section 0 of 6 bytes: the length of its name, and the name.
    build.extend([0, 6, 5]);
    build.extend(b"other");
    std::fs::write(&file, build)?;
    let file = file.display().to_string();
    let place = format!("{}/vm_config/code/local/filename", path::PLUGIN);
    Ok((options.change(move |yaml| *find(yaml, &place) = file.as_str().into()), directory))
}

/// A pod that takes one request at a time, on which one runs. One waits, and one more comes after the update.
struct Waiting {
    rig: Rig,
    pending: Vec<Pending>,
}

impl Waiting {
    async fn start(workers: u32) -> anyhow::Result<Self> {
        let dynamic = |options: Options| options.dynamic().workers(workers);
        let rig = Rig::start(1, &Plan::Hold, 1, |_| {}, dynamic).await?;
        let mut pending = vec![rig.ask_as("running").start()];
        rig.pods[0].arrival(0).await;
        pending.push(rig.ask_as("old").header("x-slo-e2e-ms", "30000").start());
        rig.waiting(1).await;
        Ok(Self { rig, pending })
    }

    /// After the update: sees that all three are answered, one at a time; says in which order.
    async fn end(self) -> anyhow::Result<Vec<String>> {
        let Self { rig, mut pending } = self;
        pending.push(rig.ask_as("new").header("x-slo-e2e-ms", "40000").start());
        rig.waiting(2).await;
        serve_in_turn(&rig.pods[0], 3, pending).await?;
        assert_eq!(rig.pods[0].most_running(), 1, "what runs on it is known to the new ones");
        rig.idle().await;
        Ok(rig.names(0))
    }
}

/// The old build's VM goes on with what waits in it, by its own configuration; the new one's takes what comes. They share
/// their pods by the `vm_id`, which is the same.
async fn another_build_while_requests_wait(workers: u32) -> Test {
    let mut waiting = Waiting::start(workers).await?;
    let (options, _build) = other_build(waiting.rig.envoy.options().clone())?;
    waiting.rig.envoy.update_to(options).await?;
    assert_eq!(waiting.end().await?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn a_new_build_loses_no_request_that_waits() -> Test {
    another_build_while_requests_wait(1).await
}

#[tokio::test]
async fn a_new_build_loses_no_request_that_waits_in_any_worker() -> Test {
    another_build_while_requests_wait(4).await
}

/// Checks that what runs and waits under the old configuration counts under the new one.
async fn update_while_requests_wait(workers: u32) -> Test {
    let mut waiting = Waiting::start(workers).await?;
    let new = changed(filter(&waiting.rig.pods, 1), &json!({ "queue": { "max_requests": 100 } }));
    waiting.rig.envoy.update(new).await?;
    assert_eq!(waiting.end().await?, ["running", "old", "new"]);
    Ok(())
}

#[tokio::test]
async fn an_update_loses_no_request_that_waits() -> Test {
    update_while_requests_wait(1).await
}

#[tokio::test]
async fn an_update_loses_no_request_that_waits_in_any_worker() -> Test {
    update_while_requests_wait(4).await
}

#[tokio::test]
async fn a_pod_that_an_update_removes_takes_no_new_work() -> Test {
    let mut rig = Rig::start(2, &Plan::Hold, 1, |_| {}, Options::dynamic).await?;
    let mut pending = vec![rig.ask().start(), rig.ask().start()];
    rig.pods[0].arrival(0).await;
    rig.pods[1].arrival(0).await;
    pending.push(rig.ask().start());
    rig.waiting(1).await;
    rig.envoy.update(filter(&rig.pods[1..], 1)).await?;
    pending.push(rig.ask().start());
    rig.waiting(2).await;
    rig.pods[0].answer(0, Answer::completion(10, 5));
    serve_in_turn(&rig.pods[1], 3, pending).await?;
    assert_eq!(rig.counts(), [1, 3]);
    rig.idle().await;
    Ok(())
}
