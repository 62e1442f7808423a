//! Helpers that the tests share.

mod rig;
mod turn;

use laboratory::client::Pending;
pub use laboratory::configuration::{self, DEPLOYMENT, entry, unattainable};
use laboratory::gateway::within;
use laboratory::server::scripted::{Answer, Plan, Pod};
use serde_json::{Value, json};

pub use self::rig::Rig;
pub use self::turn::{Turn, turn};

/// Result of a test.
pub type Test = anyhow::Result<()>;

/// Path of chat requests.
pub const CHAT: &str = "/v1/chat/completions";

/// As [`configuration::profile`], by which each request takes a second.
pub fn profile(deployment: &str, model: &str, fit: u32) -> Value {
    configuration::profile(deployment, model, fit, 1.0)
}

/// The filter's configuration for these pods, of which each takes `fit` requests at a time.
pub fn filter(pods: &[Pod], fit: u32) -> Value {
    configuration::filter("m", pods.iter().map(Pod::address), fit)
}

/// The same with pods from elsewhere, of which each takes a request at a time.
pub fn filter_with(source: &str, settings: Value) -> Value {
    let mut filter = filter(&[], 1);
    filter["pods"] = json!({ source: settings });
    filter
}

/// So many pods that follow this plan.
pub fn pods(count: usize, plan: &Plan) -> std::io::Result<Vec<Pod>> {
    (0..count).map(|_| Pod::start(plan.clone())).collect()
}

/// A chat request.
pub fn chat() -> Value {
    json!({ "model": "m", "messages": [{ "role": "user", "content": "Say hello." }] })
}

/// Has a pod answer so many requests one after the other, and waits as [`all_served`] does.
pub async fn serve_in_turn(pod: &Pod, count: usize, pending: impl IntoIterator<Item = Pending>) -> Test {
    for id in 0..count {
        pod.arrival(id).await;
        pod.answer(id, Answer::completion(10, 5));
    }
    all_served(pending).await
}

/// Waits until each of them has its answer, which is good.
pub async fn all_served(pending: impl IntoIterator<Item = Pending>) -> Test {
    for pending in pending {
        assert_eq!(within("an answer", pending.reply()).await?.status, 200);
    }
    Ok(())
}
