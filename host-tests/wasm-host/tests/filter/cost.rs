//! Cost of a request to the proxy: calls between it and the filter, of which each costs about as
//! much as the filter's own work between two of them.

use std::collections::BTreeMap;

use serde_json::json;
use wasm_host::{What, World};

use crate::support::{Gateway, Sent, entry, filter, ms, profile, world};

/// Two deployments of which a request may go to either, as in `make bench`.
fn pool() -> serde_json::Value {
    let mut pool = filter(5, 1000);
    pool["profiles"]["inline"] = json!([profile("default/a", 1000), profile("default/b", 1000)]);
    let pods = (0..5).map(|pod| entry(pod, if pod == 0 { "default/a" } else { "default/b" }));
    pool["pods"]["static"] = pods.collect();
    pool
}

/// Returns the cost of one request that is placed at once and answered, once the first ones are
/// through.
fn cost(world: &World) -> (BTreeMap<&'static str, usize>, Vec<&'static str>) {
    let ask = || {
        let stream = world.ask(0);
        assert!(stream.is_running());
        stream.finish();
        assert_eq!(stream.status(), Some(200));
    };
    (0..3).for_each(|_| ask());
    // Just after a tick, so that the next one is far.
    world.advance(ms(251));
    ask();
    world.clear_history();
    ask();
    let callbacks = world.events().into_iter().filter_map(|event| match event.what {
        What::Callback(name) => Some(name),
        _ => None,
    });
    (world.host_calls(), callbacks.collect())
}

#[test]
fn a_request_that_is_placed_at_once_makes_few_host_calls() {
    // `slo-attainment` has VMs tell each other what they run, at most once in 20 ms, which lie between these requests.
    let cases = [
        ("slo", "body", 13),
        ("slo", "headers", 11),
        ("slo-attainment", "body", 16),
        ("slo-attainment", "headers", 14),
    ];
    for (policy, inspect, most) in cases {
        let mut pool = pool();
        pool["policy"] = json!(policy);
        pool["request"] = json!({ "inspect": inspect });
        let world = world(&pool, 1);
        let (calls, callbacks) = cost(&world);
        let count: usize = calls.values().sum();
        assert!(count <= most, "{policy}, {inspect}: {count} host calls, at most {most} were expected: {calls:#?}");
        // Three of those are at its end: the crate exports them all.
        assert!(callbacks.len() <= 10, "{policy}, {inspect}: {callbacks:#?}");
    }
}
