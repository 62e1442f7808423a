//! Profiles and pods that are fetched: one VM at a time asks, all take what is good, and what is not changes nothing.

mod pods;
mod profiles;

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Value, json};
use wasm_host::{Builder, CallAnswer, Stream, World};

use crate::support::{DEPLOYMENT, Gateway, Sent, all_leave, builder, entry, filter, ms};

/// Answer of a cluster from now on; tests change it.
pub type Answer = Rc<RefCell<CallAnswer>>;

pub fn good(body: impl Into<Vec<u8>>) -> CallAnswer {
    CallAnswer::response(ms(20), 200, body)
}

pub fn answer(first: CallAnswer) -> Answer {
    Rc::new(RefCell::new(first))
}

pub fn served(builder: Builder, cluster: &str, answer: &Answer) -> Builder {
    let answer = Rc::clone(answer);
    builder.cluster(cluster, move |_| answer.borrow().clone())
}

/// Two pods whose profiles are fetched every second.
fn with_profiles() -> Value {
    let mut config = filter(2, 1);
    config["profiles"] = json!({ "correct": false, "http": source("profiles") });
    config
}

/// Pods that are fetched every second, of which each takes one request.
fn with_pods() -> Value {
    let mut config = filter(0, 1);
    config["pods"] = json!({ "http": source("pods") });
    config
}

fn source(cluster: &str) -> Value {
    json!({ "cluster": cluster, "path": "/d.json", "interval": "1s", "timeout": "500ms" })
}

pub fn pod_list(numbers: &[usize]) -> String {
    json!({ "pods": numbers.iter().map(|pod| entry(*pod, DEPLOYMENT)).collect::<Vec<_>>() }).to_string()
}

/// Returns the number of requests that run on the pods at once, of more than can.
fn room(world: &World, worker: usize) -> usize {
    let streams: Vec<Stream> = (0..20).map(|_| world.ask(worker)).collect();
    let running = streams.iter().filter(|stream| stream.is_running()).count();
    all_leave(streams.iter().rev());
    world.settle();
    running
}

/// A world whose profiles come from such a cluster, after the first answer.
fn fetched(workers: usize, answer: &Answer) -> World {
    let world = served(builder(&with_profiles()).workers(workers), "profiles", answer).build().unwrap();
    world.advance(ms(600));
    world
}
