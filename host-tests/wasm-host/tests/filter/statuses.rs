//! No status that Envoy returns kills a VM. Each is returned by every call of its function for some seconds, in which requests
//! come, wait, run and leave, and sources and other gateways are asked; what comes after is served as ever.
//!
//! `src/proxy/raw.rs` says where in Envoy each comes from.

use serde_json::{Value, json};
use wasm_host::{Builder, Status, Stream, World};

use super::callouts::{answer, good, pod_list, served};
use crate::support::{DEPLOYMENT, Gateway, Redis, Sent, all_leave, builder, document, filter, ms, profile, s};

/// Every status, beside that of success, that Envoy returns from a function which the filter calls, for whatever the filter asks.
const STATUSES: [(&str, &[Status]); 11] = [
    ("proxy_http_call", &[Status::BadArgument, Status::InternalFailure]),
    ("proxy_get_buffer_bytes", &[Status::NotFound]),
    ("proxy_replace_header_map_value", &[Status::BadArgument]),
    ("proxy_remove_header_map_value", &[Status::BadArgument]),
    ("proxy_get_property", &[Status::NotFound, Status::SerializationFailure, Status::InternalFailure]),
    ("proxy_get_shared_data", &[Status::NotFound]),
    ("proxy_set_shared_data", &[Status::CasMismatch]),
    ("proxy_enqueue_shared_queue", &[Status::NotFound]),
    ("proxy_dequeue_shared_queue", &[Status::NotFound, Status::Empty]),
    ("proxy_increment_metric", &[Status::NotFound, Status::BadArgument]),
    ("proxy_record_metric", &[Status::NotFound]),
];

/// Two pods of which each takes one request, all in the configuration.
fn config() -> Value {
    let mut config = filter(2, 1);
    config["upstream"] = json!({ "alternatives": 1, "subset_hint": true });
    config
}

/// The same, from sources that are asked, beside another gateway.
fn asking() -> Builder {
    let source = |cluster: &str| json!({ "cluster": cluster, "path": "/d.json", "interval": "1s", "timeout": "500ms" });
    let mut config = config();
    config["replicas"] = Redis::replicas(1);
    config["profiles"] = json!({ "correct": false, "http": source("profiles") });
    config["pods"] = json!({ "http": source("pods") });
    let builder = Redis::default().serve(builder(&config));
    let builder = served(builder, "profiles", &answer(good(document(&[profile(DEPLOYMENT, 1)]))));
    served(builder, "pods", &answer(good(pod_list(&[0, 1]))))
}

/// Requests of all kinds, and time for all that comes of them.
fn trouble(world: &World) -> Vec<Stream> {
    let mut streams: Vec<Stream> = (0..8).map(|number| world.ask(number % 2)).collect();
    streams.push(world.chat(0).header("routing-strategy", "fastest").send());
    streams.push(world.chat(1).header("x-gateway-destination-endpoint", "10.6.6.6:80").send());
    streams.push(world.worker(1).request().to("GET", "/v1/models").send());
    let reading = world.chat(1).open().send();
    reading.send(" ");
    streams[5].client_reset();
    world.advance(ms(300));
    reading.client_reset();
    for end in [Stream::upstream_reset, Stream::client_reset, Stream::end, Stream::end] {
        let Some(running) = streams.iter().find(|stream| stream.is_running()) else { break };
        end(running.respond(200, [("content-type", "text/event-stream")]).chunk("data: {}\n\n"));
        world.advance(ms(50));
    }
    world.advance(s(3));
    streams
}

#[test]
fn no_status_that_envoy_returns_kills_a_vm() {
    for (function, statuses) in STATUSES {
        for status in statuses {
            println!("{function}: {status:?}");
            let world = asking().workers(2).build().unwrap();
            world.advance(s(2));
            world.clear_history();
            world.refuse(function, *status);
            let streams = trouble(&world);
            assert!(world.host_calls().contains_key(function), "{function} is not called");
            assert_eq!(world.traps(), Vec::<String>::new(), "{function}: {status:?}");
            world.refuse_nothing();
            all_leave(&streams);
            world.advance(s(5));
            let after = [world.ask(0), world.ask(1)];
            world.advance(ms(500));
            after.iter().for_each(Sent::finish);
            assert_eq!(after.each_ref().map(Sent::status), [Some(200); 2], "{function}: {status:?}");
            world.assert_idle();
        }
    }
}

/// Envoy says so of a stream whose end it has told. There are no callouts here, since the crate makes the root that is answered the
/// effective context, which is there while it is called.
#[test]
fn a_context_that_is_gone_kills_no_vm() {
    let world = builder(&config()).workers(2).build().unwrap();
    world.refuse("proxy_set_effective_context", Status::BadArgument);
    trouble(&world);
    assert!(world.host_calls().contains_key("proxy_set_effective_context"));
    assert_eq!(world.traps(), Vec::<String>::new());
}
