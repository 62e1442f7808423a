//! No callback takes a worker for more than a millisecond, whatever waits for room on a few pods.
//!
//! Time is counted in WebAssembly instructions, which are the same in every run.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Value, json};
use wasm_host::{Program, RequestBuilder, Stream, World};

use crate::support::{address, by_token, ms, of, path};

/// WebAssembly instructions in a millisecond, by what wasmtime does: it took 4.7 s for 12.7e9, on two cores that others kept busy.
pub const MILLISECOND: u64 = 2_500_000;

const CLASSES: usize = 50;

/// Requests, more than so many pods have room for, on so many workers, with names of their own or with one.
#[derive(Clone, Copy)]
struct Crowd {
    policy: &'static str,
    workers: usize,
    pods: usize,
    requests: usize,
    named: bool,
}

/// Pods that make a token each 25 ms for a request or ten, in time for few.
fn config(pods: usize, policy: &str) -> Value {
    let mut config = by_token(0, policy, "30ms");
    config["profiles"]["inline"][0]["model"] = Value::Null;
    config["queue"] = json!({ "max_requests": 100_000 });
    let pod = |pod: usize| json!({ "address": address(pod), "deployment": "default/a" });
    config["pods"]["static"] = (0..pods).map(pod).collect();
    let class = |class: usize| json!({ "name": format!("class-{class}"), "header": { "name": "x-class", "value": class.to_string() } });
    config["classes"] = (0..CLASSES).map(class).collect();
    config
}

fn chat(world: &World, worker: usize, model: &str, class: usize) -> RequestBuilder {
    let messages = json!([{ "role": "user", "content": "word".repeat(100) }]);
    let body = json!({ "model": model, "stream": true, "messages": messages });
    let request = world.worker(worker).request().to("POST", "/v1/chat/completions");
    request.header("content-type", "application/json").header("x-class", &class.to_string()).body(body.to_string())
}

/// The filter, compiled to count.
fn counting() -> &'static Program {
    static COUNTING: OnceLock<Program> = OnceLock::new();
    COUNTING.get_or_init(|| Program::load_counting(path()).unwrap())
}

/// The most instructions of each callback while they come, wait, and some that run end.
fn cost(crowd: Crowd) -> BTreeMap<&'static str, u64> {
    let world = of(counting(), &config(crowd.pods, crowd.policy)).workers(crowd.workers).build().unwrap();
    world.clear_history();
    let streams: Vec<Stream> = (0..crowd.requests)
        .map(|index| {
            if index % 32 == 0 {
                world.advance(ms(1));
            }
            let model = if crowd.named { format!("model-{index}") } else { "model".to_owned() };
            chat(&world, index % crowd.workers, &model, index % CLASSES).send()
        })
        .collect();
    world.advance(ms(300));
    let waiting = streams.iter().filter(|stream| stream.is_paused()).count();
    assert!(waiting > crowd.requests / 2, "{waiting} wait");
    for stream in streams.iter().filter(|stream| stream.upstream_headers().is_some()).take(20) {
        stream.respond(200, [("content-type", "text/event-stream")]);
        stream.chunk("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n");
        stream.end();
        world.advance(ms(1));
    }
    world.advance(ms(20));
    assert_eq!(world.traps(), Vec::<String>::new());
    world.instructions()
}

#[test]
fn no_callback_takes_more_than_a_millisecond_however_many_wait() {
    for policy in ["slo", "slo-attainment"] {
        for (workers, pods, requests) in [(1, 5, 10_000), (8, 5, 10_000), (1, 20, 10_000), (1, 100, 16_000)] {
            let cost = cost(Crowd { policy, workers, pods, requests, named: true });
            let within = cost.values().all(|each| *each <= MILLISECOND);
            assert!(within, "{policy}, {workers} workers, {pods} pods: {cost:#?}");
        }
    }
}

#[test]
fn requests_with_names_of_their_own_cost_no_more_than_with_one() {
    let of = |named| -> u64 {
        let crowd = Crowd { policy: "slo-attainment", workers: 1, pods: 5, requests: 2_000, named };
        cost(crowd).into_values().sum()
    };
    let (many, one) = (of(true), of(false));
    assert!(many * 5 <= one * 6, "{many} instructions with names of their own, {one} with one");
}

/// The turns of a conversation that all have in common.
const TURNS: usize = 10;

fn turn(world: &World) -> Stream {
    let message = |turn: usize| json!({ "role": (["user", "assistant"][turn % 2]), "content": format!("turn {turn} ").repeat(60) });
    let messages: Vec<Value> = (0..TURNS).map(message).collect();
    let body = json!({ "model": "model", "stream": true, "messages": messages });
    let request = world.worker(0).request().to("POST", "/v1/chat/completions");
    request.header("content-type", "application/json").body(body.to_string()).send()
}

/// A server's whole answer, which says that all of the prompt was cached.
fn answer(stream: &Stream) {
    stream.respond(200, [("content-type", "text/event-stream")]);
    stream.chunk("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\n");
    let usage =
        json!({ "prompt_tokens": 1_300, "completion_tokens": 1, "prompt_tokens_details": { "cached_tokens": 1_296 } });
    stream.chunk(format!("data: {}\n\ndata: [DONE]\n\n", json!({ "choices": [], "usage": usage })));
    stream.end();
}

#[test]
fn no_callback_takes_more_than_a_millisecond_where_all_that_waits_is_cached_everywhere() {
    let world = of(counting(), &config(20, "slo-attainment")).build().unwrap();
    let mut streams: Vec<Stream> = (0..2_000).map(|_| turn(&world)).collect();
    for _ in 0..5 {
        world.advance(ms(300));
        let (run, wait): (Vec<Stream>, Vec<Stream>) =
            streams.into_iter().partition(|stream| stream.upstream_headers().is_some());
        run.iter().for_each(answer);
        streams = wait;
    }
    world.clear_history();
    streams.extend((0..2_000).map(|_| turn(&world)));
    world.advance(ms(300));
    let waiting = streams.iter().filter(|stream| stream.is_paused()).count();
    assert!(waiting > 2_000, "{waiting} wait");
    for stream in streams.iter().filter(|stream| stream.upstream_headers().is_some()).take(20) {
        answer(stream);
        world.advance(ms(1));
    }
    world.advance(ms(20));
    assert_eq!(world.traps(), Vec::<String>::new());
    let cost = world.instructions();
    assert!(cost.values().all(|each| *each <= MILLISECOND), "{cost:#?}");
}
