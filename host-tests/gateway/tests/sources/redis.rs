//! AIBrix's keys in a real Redis, behind a real Webdis.

use laboratory::gateway::{Redis, until};
use laboratory::server::scripted::Plan;
use serde_json::{Value, json};

use crate::common::{DEPLOYMENT, Rig, Test, pods, profile};

/// The profile as AIBrix writes it, with what it has for missing measurements.
fn written(gpu: &str, fit: u32) -> String {
    let mut profile: Value = profile(DEPLOYMENT, "m", fit)["profile"].take();
    profile["gpu"] = json!(gpu);
    let text = profile.to_string();
    text.replace("\"ttft\":[[0.25]]", "\"ttft\":[[NaN]]")
}

#[tokio::test]
async fn the_profiles_of_aibrix_are_read_and_their_changes_followed() -> Test {
    let redis = Redis::start().await?;
    redis.set("aibrix:profile_m_a", &written("a", 1))?;
    redis.set("aibrix:profile_org/some.model.json_b_with_underscores", &written("b_with_underscores", 9))?;
    for other in 0..120 {
        redis.set(&format!("aibrix:profile_m_other-{other}"), &written(&format!("other-{other}"), 9))?;
        redis.set(&format!("aibrix:trace_{other}"), "none of ours")?;
    }
    let pods = pods(1, &Plan::Hold)?;
    let mut filter = crate::common::filter(&pods, 1);
    filter["profiles"] = json!({ "correct": false, "webdis": { "cluster": "webdis", "interval": "100ms" } });
    // A worker that has not taken the profiles yet goes by this, and so by the same.
    filter["capacity"] = json!({ "default_concurrency": 1 });
    let address = redis.webdis();
    let rig = Rig::with(pods, filter, |options| options.cluster("webdis", address)).await?;
    until("the profiles are there", async || rig.source_updates("profiles").await >= 1.0).await;
    let pending: Vec<_> = (0..4).map(|_| rig.ask().start()).collect();
    rig.waiting(3).await;

    redis.set("aibrix:profile_m_a", &written("a", 3))?;
    rig.pods[0].arrival(2).await;
    rig.waiting(1).await;
    redis.set("aibrix:profile_m_a", "no profile")?;
    until("the bad profile is told", async || rig.source_errors("partial").await >= 2.0).await;
    assert_eq!(rig.counts(), [3], "the last good one stays");
    redis.command(&["DEL", "aibrix:profile_m_a"])?;
    redis.set("aibrix:profile_m_a", &written("a", 4))?;
    rig.pods[0].arrival(3).await;
    drop(pending);
    Ok(())
}
