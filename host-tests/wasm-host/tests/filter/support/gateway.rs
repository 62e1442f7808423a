//! A world that runs the filter, and what tests do with it over and over.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use slo_router::scheduling::load::Load;
use wasm_host::{LogLevel, RequestBuilder, Stream, What, World};

use super::{Shared, builder, ms};

/// Names the pod.
const DESTINATION: &str = "x-gateway-destination-endpoint";

/// A world with this configuration and so many workers.
pub fn world(configuration: &Value, workers: usize) -> World {
    builder(configuration).workers(workers).build().unwrap()
}

/// Operations of tests on a world.
pub trait Gateway {
    /// Begins a chat request.
    fn chat(&self, worker: usize) -> RequestBuilder;
    /// Sends a chat request.
    fn ask(&self, worker: usize) -> Stream;
    /// Sends a chat request with an end-to-end objective.
    fn ask_within(&self, worker: usize, e2e_ms: u64) -> Stream;
    /// Lets wake-ups arrive, but no tick.
    fn settle(&self);
    /// A counter of the pool, all its labels together, once it was told.
    fn count(&self, metric: &str, labels: &str) -> u64;
    /// Log lines of warning and above.
    fn complaints(&self) -> Vec<String>;
    /// Sees that nothing waits, runs or is accounted for any more, and that no VM died but those that the test killed.
    fn assert_idle(&self);
}

impl Gateway for World {
    fn chat(&self, worker: usize) -> RequestBuilder {
        let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "Say hello." }] });
        self.worker(worker)
            .request()
            .to("POST", "/v1/chat/completions")
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    fn ask(&self, worker: usize) -> Stream {
        self.chat(worker).send()
    }

    fn ask_within(&self, worker: usize, e2e_ms: u64) -> Stream {
        self.chat(worker).header("x-slo-e2e-ms", &e2e_ms.to_string()).send()
    }

    fn settle(&self) {
        self.advance(ms(1));
    }

    fn count(&self, metric: &str, labels: &str) -> u64 {
        // The next tick tells.
        self.advance(ms(260));
        self.counter(&format!("slo_router.{metric}_pool=test_{labels}")).unwrap_or_default()
    }

    fn complaints(&self) -> Vec<String> {
        let lines = self.events().into_iter().filter_map(|event| match event.what {
            What::Log(level, line) if level >= LogLevel::Warn => Some(line),
            _ => None,
        });
        lines.collect()
    }

    fn assert_idle(&self) {
        // A survey or two, so that the gauges are of now; and dead VMs' seats are gone.
        self.advance(ms(2_600));
        let shared = Shared(self);
        assert_eq!(shared.running(), BTreeMap::new(), "load is left");
        for seat in shared.seats() {
            assert_eq!((seat.waiting, seat.claim), (0, None), "something is left in a queue");
        }
        for gauge in ["waiting", "in_flight"] {
            let value = self.gauge(&format!("slo_router.{gauge}_pool=test_"));
            assert_eq!(value, Some(0), "{gauge}");
        }
        let traps: Vec<_> = self.traps().into_iter().filter(|why| !why.contains("killed by the test")).collect();
        assert_eq!(traps, Vec::<String>::new());
    }
}

/// Operations of tests on a stream.
pub trait Sent {
    /// The pod that it was sent to.
    fn pod(&self) -> Option<String>;
    /// Returns `true` if it runs on a pod now.
    fn is_running(&self) -> bool;
    /// The pod answers it well.
    fn finish(&self);
    /// The status that the client got.
    fn status(&self) -> Option<u16>;
    /// A header that the client got.
    fn header(&self, name: &str) -> Option<String>;
}

impl Sent for Stream {
    fn pod(&self) -> Option<String> {
        Some(self.upstream_headers()?.get(DESTINATION)?.to_owned())
    }

    fn is_running(&self) -> bool {
        !self.is_ended() && self.upstream_headers().is_some()
    }

    fn finish(&self) {
        self.respond(200, [("content-type", "application/json")])
            .body(r#"{"usage":{"prompt_tokens":10,"completion_tokens":5}}"#);
    }

    fn status(&self) -> Option<u16> {
        self.response().map(|response| response.status)
    }

    fn header(&self, name: &str) -> Option<String> {
        self.response()?.headers.get(name).map(str::to_owned)
    }
}

/// The clients of all these go away.
pub fn all_leave<'a>(streams: impl IntoIterator<Item = &'a Stream>) {
    for stream in streams {
        stream.client_reset();
    }
}

/// Finishes what runs, until all of them are done.
pub fn drain(world: &World, streams: &[Stream]) {
    for _ in 0..=streams.len() {
        streams.iter().filter(|stream| stream.is_running()).for_each(Sent::finish);
        world.advance(ms(30));
    }
    assert!(streams.iter().all(Stream::is_ended), "some wait though there is room");
}

/// Counts the requests that run on each pod.
pub fn on_pods(streams: &[Stream]) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for stream in streams.iter().filter(|stream| stream.is_running()) {
        *counts.entry(stream.pod().expect("a pod is named")).or_default() += 1;
    }
    counts
}

/// The most that any pod is charged with.
pub fn fullest(world: &World) -> Load {
    let running = Shared(world).running();
    running.values().map(|entry| entry.load()).max().unwrap_or_default()
}
