//! Several listeners with one configuration, and listeners that close while requests wait.

use laboratory::client::Client;
use laboratory::gateway::{Options, find, until};
use laboratory::server::scripted::Plan;

use crate::common::{CHAT, Rig, Test, chat, serve_in_turn};

/// A listener beside the shipped one and like it, with the filter's configuration to the letter.
const SECOND: &str = "second";

fn two_listeners(options: Options) -> Options {
    options.workers(2).change(|yaml| {
        let listeners = find(yaml, "static_resources/listeners").as_sequence_mut().expect("the shipped listeners");
        let mut second = listeners[0].clone();
        *find(&mut second, "name") = SECOND.into();
        listeners.push(second);
    })
}

#[tokio::test]
async fn listeners_with_one_configuration_share_their_pods() -> Test {
    let rig = Rig::start(1, &Plan::Hold, 1, |_| {}, two_listeners).await?;
    let second = Client::http1(rig.envoy.listener(SECOND).await.expect("the second listener"));
    let mut pending = vec![rig.ask().start()];
    rig.pods[0].arrival(0).await;
    for _ in 0..4 {
        pending.push(second.post(CHAT).json(&chat()).start());
        pending.push(rig.ask().start());
    }
    rig.waiting(8).await;
    serve_in_turn(&rig.pods[0], pending.len(), pending).await?;
    assert_eq!(rig.pods[0].most_running(), 1);
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn a_listener_that_drains_loses_no_request_that_waits() -> Test {
    let rig = Rig::holding(1, 1, 2).await?;
    let mut pending = vec![rig.ask().start()];
    rig.pods[0].arrival(0).await;
    for _ in 0..4 {
        pending.push(rig.ask().start());
    }
    rig.waiting(4).await;
    rig.envoy.post("/drain_listeners").await?;
    // The gateway's and the one that serves profiles.
    until("the listeners are closed", async || rig.stat("listener_manager.listener_stopped").await == Some(2)).await;
    assert!(rig.ask().send().await.is_err());
    serve_in_turn(&rig.pods[0], pending.len(), pending).await?;
    rig.idle().await;
    Ok(())
}
