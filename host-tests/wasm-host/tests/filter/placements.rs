//! Reading and passing on of placements that other gateways tell takes no callback more than a millisecond, however many they are and
//! whatever they tell.

use std::time::Duration;

use serde_json::{Value, json};
use slo_router::scheduling::load::Load;
use slo_router::scheduling::pool::{DeploymentId, PodId};
use slo_router::scheduling::prefix::{PrefixIndex, PromptHasher, Section};
use slo_router::shared::digest::{Digest, MAX_SEALED};
use slo_router::shared::pool_secret::PoolSecret;
use wasm_host::{Program, Stream};

use crate::bounds::MILLISECOND;
use crate::support::{Redis, Sent as _, address, by_token, ms, of, path};

const PODS: usize = 20;
const WORKERS: usize = 8;
const SLOTS: usize = 32;

/// Heads that a placement tells at most, and more messages than that.
const MESSAGES: usize = 48;

fn digits() -> String {
    "5e".repeat(32)
}

/// Digest of another gateway, at one of its looks, with its last placements: so many, all told for the first time.
fn digest(gateway: u64, look: u64, placed: u64) -> Digest {
    let mut index = PrefixIndex::new(1 << 12);
    let deployment = DeploymentId::of(&"default/a".parse().unwrap());
    for number in (look * placed)..(look + 1) * placed {
        let mut hasher = PromptHasher::new(gateway);
        hasher.begin(Section::Content);
        for message in 0..MESSAGES {
            hasher.text(format!("{number} {message}").as_bytes());
            hasher.end_message();
        }
        hasher.end(false);
        let pod = PodId::of(address(number as usize % PODS).parse().unwrap());
        index.placed(hasher.finish(&[]).into(), 1_000_000, pod, deployment);
    }
    let mut digest = Digest { gateway, sequence: look + 1, ..Digest::default() };
    digest.seal(index.placements(), "test", &PoolSecret::from_hex(&digits()).unwrap(), look);
    digest
}

/// The most instructions of a callback of a gateway that serves conversations on eight workers, where `others` tell it this.
fn cost(others: impl Fn(u64, u64) -> Digest) -> (&'static str, u64) {
    let mut config = by_token(PODS, "slo-attainment", "30ms");
    config["profiles"]["inline"][0]["model"] = Value::Null;
    config["pods"]["static"] =
        (0..PODS).map(|pod| json!({ "address": address(pod), "deployment": "default/a" })).collect();
    config["replicas"] = json!({ "webdis": { "cluster": "webdis" }, "slots": SLOTS, "secret": digits() });
    let redis = Redis::default();
    let program = Program::load_counting(path()).unwrap();
    let world = redis.serve(of(&program, &config)).workers(WORKERS).build().unwrap();
    let ask = |worker: usize, conversation: usize| -> Stream {
        let message = |turn: usize| json!({ "role": "user", "content": format!("{conversation} {turn} ").repeat(60) });
        let messages: Vec<Value> = (0..MESSAGES).map(message).collect();
        let body = json!({ "model": "model", "stream": true, "messages": messages });
        let request = world.worker(worker).request().to("POST", "/v1/chat/completions");
        request.header("content-type", "application/json").body(body.to_string()).send()
    };
    world.advance(ms(500));
    world.clear_history();
    let mut streams = Vec::new();
    for look in 0..8 {
        for gateway in 1..SLOTS as u64 {
            redis.put(&format!("slo-router:2:test:{gateway}"), others(gateway, look).encode("test"));
        }
        streams.extend((0..WORKERS * 4).map(|number| ask(number % WORKERS, 100 * look as usize + number)));
        world.advance(Duration::from_millis(100));
    }
    assert_eq!(world.traps(), Vec::<String>::new());
    assert!(streams.iter().any(Stream::is_running));
    world.instructions().into_iter().max_by_key(|(_, most)| *most).unwrap()
}

/// The same, where their digests are as long by other means: by pods that they keep busy.
fn busy(gateway: u64, look: u64, bytes: usize) -> Digest {
    let mut digest = Digest { gateway, sequence: look + 1, ..Digest::default() };
    let mut pod = 0;
    while digest.encode("test").len() < bytes {
        let address = format!("10.1.{}.{}:8000", pod / 256, pod % 256).parse().unwrap();
        digest.running.entry(PodId::of(address)).or_default().charge(Load::from_micro(100_000));
        pod += 1;
    }
    digest
}

#[test]
fn no_callback_takes_more_than_a_millisecond_where_31_gateways_tell_of_placements() {
    // What each tells where there are so many.
    let (callback, most) = cost(|gateway, look| digest(gateway, look, 2));
    println!("{callback}: {most}");
    assert!(most <= MILLISECOND, "{callback}: {most} instructions");
}

#[test]
fn placements_that_are_too_many_cost_no_more_than_any_other_digest_of_that_length() {
    let long = digest(1, 0, 32).encode("test").len();
    let (_, busy) = cost(|gateway, look| busy(gateway, look, long));
    let (_, many) = cost(|gateway, look| digest(gateway, look, 32));
    let (_, garbage) = cost(|gateway, look| Digest {
        gateway,
        sequence: look + 1,
        sealed: vec![0xA5; MAX_SEALED],
        ..Digest::default()
    });
    println!("{busy} {many} {garbage}");
    assert!(many <= busy && garbage <= busy, "{many} and {garbage} instructions, {busy} of busy pods");
}
