//! Documents on a server that knows whether they changed.

use std::sync::{Arc, Mutex};

use laboratory::gateway::until;
use laboratory::server::scripted::{Answer, Plan, Pod};
use serde_json::json;

use crate::common::{DEPLOYMENT, Rig, Test, pods, profile};

#[tokio::test]
async fn a_document_that_has_not_changed_is_not_sent_again() -> Test {
    let document = Arc::new(Mutex::new(("\"1\"", profile(DEPLOYMENT, "m", 1))));
    let served = Arc::clone(&document);
    let server = Pod::start(Plan::serve(move |arrival| {
        let (etag, profile) = served.lock().expect("no test panics with it").clone();
        if arrival.header("if-none-match") == Some(etag) {
            return Answer::status(304).header("etag", etag);
        }
        Answer::json(&json!({ "profiles": [profile] })).header("etag", etag)
    }))?;
    let change = |filter: &mut serde_json::Value| {
        let http = json!({ "cluster": "files", "path": "/profiles.json", "interval": "100ms" });
        filter["profiles"] = json!({ "correct": false, "http": http });
    };
    let pods = pods(1, &Plan::Hold)?;
    let mut filter = crate::common::filter(&pods, 1);
    change(&mut filter);
    // A worker that has not taken the profiles yet goes by this, and so by the same.
    filter["capacity"] = json!({ "default_concurrency": 1 });
    let address = server.address();
    let rig = Rig::with(pods, filter, |options| options.cluster("files", address)).await?;
    until("the server was asked", async || server.arrivals().len() > 5).await;
    assert_eq!(server.arrivals()[0].header("if-none-match"), None);
    assert!(server.arrivals()[2..].iter().all(|arrival| arrival.header("if-none-match") == Some("\"1\"")));
    let mut pending = vec![rig.ask().start(), rig.ask().start()];
    rig.waiting(1).await;
    *document.lock().expect("no test panics with it") = ("\"2\"", profile(DEPLOYMENT, "m", 2));
    rig.pods[0].arrival(1).await;
    pending.push(rig.ask().start());
    rig.waiting(1).await;
    assert_eq!(rig.envoy.log().matches("last good ones").count(), 0, "{}", rig.envoy.log());
    Ok(())
}
