//! The filter as Istio's WasmPlugin loads it: an empty `vm_id`, no `allow_on_headers_stop_iteration`.

use laboratory::gateway::{Options, find, path, within};
use laboratory::server::scripted::{Answer, Plan};
use serde_json::{Value, json};

use crate::common::{CHAT, Rig, Test, serve_in_turn};

fn without_flag(options: Options) -> Options {
    options.vm_id("").change(|yaml| {
        let plugin = find(yaml, path::PLUGIN).as_mapping_mut();
        plugin.and_then(|plugin| plugin.remove("allow_on_headers_stop_iteration")).expect("the flag is shipped");
    })
}

fn by_headers(filter: &mut Value) {
    filter["request"] = json!({ "inspect": "headers" });
}

#[tokio::test]
async fn requests_are_held_and_released_most_urgent_first() -> Test {
    let rig = Rig::start(1, &Plan::Hold, 1, by_headers, |options| without_flag(options).workers(4)).await?;
    let mut pending = vec![rig.ask_as("running").start()];
    rig.pods[0].arrival(0).await;
    for (name, objective_ms) in [("last", "50000"), ("first", "30000"), ("second", "40000")] {
        pending.push(rig.ask_as(name).header("x-slo-e2e-ms", objective_ms).start());
    }
    rig.waiting(3).await;
    serve_in_turn(&rig.pods[0], 4, pending).await?;
    assert_eq!(rig.names(0), ["running", "first", "second", "last"]);
    assert_eq!(rig.pods[0].most_running(), 1);
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn a_body_beyond_the_buffer_waits_and_arrives_whole() -> Test {
    let rig = Rig::start(1, &Plan::Hold, 1, by_headers, without_flag).await?;
    let running = rig.ask().start();
    rig.pods[0].arrival(0).await;
    let body = vec![b'x'; 40 << 20];
    let large = rig.client.post(CHAT).header("content-type", "application/json").body(body.clone()).start();
    rig.waiting(1).await;
    serve_in_turn(&rig.pods[0], 2, [running, large]).await?;
    assert!(rig.pods[0].arrivals()[1].body == body);
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn the_model_comes_from_its_header() -> Test {
    let rig = Rig::start(1, &Plan::Answer(Answer::completion(10, 5)), 4, by_headers, without_flag).await?;
    let ask = |model| rig.ask().header("x-gateway-model-name", model);
    assert_eq!(ask("m").send().await?.status, 200);
    assert_eq!(ask("unknown").send().await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn reading_bodies_without_the_flag_goes_by_headers_and_says_what_is_missing() -> Test {
    let rig = Rig::start(1, &Plan::Answer(Answer::completion(10, 5)), 4, |_| {}, without_flag).await?;
    for _ in 0..3 {
        assert_eq!(within("an answer", rig.ask().send()).await?.status, 200);
    }
    let log = rig.envoy.stop().await?;
    assert_eq!(log.matches("allow_on_headers_stop_iteration").count(), 1, "{log}");
    Ok(())
}
