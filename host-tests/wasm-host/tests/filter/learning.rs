//! Learning from answers: how long they are, and how many characters a token has.

use serde_json::{Value, json};
use wasm_host::{Stream, World};

use crate::support::{Gateway, Sent, filter, ms, s, world};

/// A pod that holds ten requests of 16 output tokens at once, or one of 512. A cold estimate is 256.
fn by_output() -> Value {
    let mut config = filter(1, 1);
    let profile = &mut config["profiles"]["inline"][0]["profile"];
    profile["indexes"] = json!([[16, 512], [64]]);
    profile["tputs"] = json!([[10], [1]]);
    profile["e2e"] = json!([[1.0], [1.0]]);
    profile["ttft"] = json!([[0.1], [0.1]]);
    config
}

/// A pod that holds ten requests of 1,000 prompt tokens at once, or one of 4,000.
fn by_input() -> Value {
    let mut config = filter(1, 1);
    let profile = &mut config["profiles"]["inline"][0]["profile"];
    profile["indexes"] = json!([[64], [1000, 4000]]);
    profile["tputs"] = json!([[10, 1]]);
    profile["e2e"] = json!([[1.0, 1.0]]);
    profile["ttft"] = json!([[0.1, 0.1]]);
    config
}

/// Returns the number of such requests that run on the pod at once.
fn room_for(ask: impl Fn() -> Stream) -> usize {
    let streams: Vec<Stream> = (0..12).map(|_| ask()).collect();
    let running = streams.iter().filter(|stream| stream.is_running()).count();
    for stream in streams.iter().rev() {
        stream.client_reset();
    }
    running
}

fn room(world: &World, worker: usize) -> usize {
    room_for(|| world.ask(worker))
}

fn document(prompt: u32, output: u32) -> String {
    json!({ "choices": [{ "message": { "content": "x" } }], "usage": { "prompt_tokens": prompt, "completion_tokens": output } })
        .to_string()
}

/// A stream of events with so many tokens, one in each.
fn events(tokens: usize, with_usage: bool) -> String {
    let token = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"héllo\"}}]}\n\n";
    let usage =
        format!("data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":10,\"completion_tokens\":{tokens}}}}}\n\n");
    format!("{}{}data: [DONE]\n\n", token.repeat(tokens), if with_usage { &usage } else { "" })
}

/// Answers in pieces of that size, with the end in a frame of its own.
fn answer(stream: &Stream, content_type: &str, body: &str, piece: usize) {
    stream.respond(200, [("content-type", content_type)]);
    for piece in body.as_bytes().chunks(piece) {
        stream.chunk(piece);
    }
    stream.end();
}

#[test]
fn estimates_follow_the_answers_in_whatever_form_they_come() {
    for (content_type, body) in [
        ("application/json", document(10, 16)),
        ("text/event-stream", events(16, true)),
        ("text/event-stream; charset=utf-8", events(16, false)),
        ("text/event-stream", events(16, true).replace('\n', "\r\n")),
    ] {
        for piece in [1, 2, 3, 7, 64, 100_000] {
            let world = world(&by_output(), 1);
            assert_eq!(room(&world, 0), 1);
            for _ in 0..3 {
                answer(&world.ask(0), content_type, &body, piece);
            }
            world.advance(ms(300));
            assert_eq!(room(&world, 0), 10, "{content_type}, pieces of {piece}");
            world.assert_idle();
        }
    }
}

#[test]
fn longer_answers_raise_the_estimate_again() {
    let world = world(&by_output(), 1);
    // Each time more than what was learned before.
    for (count, output, fit) in [(10, 16, 10), (30, 500, 1), (90, 16, 10)] {
        for _ in 0..count {
            answer(&world.ask(0), "application/json", &document(10, output), 1_000);
        }
        world.advance(ms(300));
        assert_eq!(room(&world, 0), fit);
    }
}

#[test]
fn answers_that_were_cut_or_refused_teach_nothing() {
    let world = world(&by_output(), 1);
    for _ in 0..5 {
        world.ask(0).respond(200, [("content-type", "application/json")]).chunk(document(10, 16)).client_reset();
        world.ask(0).respond(200, [("content-type", "application/json")]).chunk(document(10, 16)).upstream_reset();
        world.ask(0).respond(400, [("content-type", "application/json")]).body(document(10, 16));
        world.ask(0).respond(200, [("content-type", "text/plain")]).body(document(10, 16));
    }
    world.advance(ms(600));
    assert_eq!(room(&world, 0), 1);
}

#[test]
fn the_requests_own_limit_caps_the_estimate() {
    let world = world(&by_output(), 1);
    let ask = |body: &str| world.worker(0).request().to("POST", "/v1/chat/completions").body(body).send();
    assert_eq!(room_for(|| ask(r#"{"messages": [], "max_tokens": 16}"#)), 10);
    assert_eq!(room_for(|| ask(r#"{"messages": [], "max_completion_tokens": 16}"#)), 10);
    assert_eq!(room_for(|| ask(r#"{"messages": [], "max_tokens": 16, "n": 32}"#)), 1);
}

#[test]
fn what_one_worker_learns_all_know_within_two_ticks() {
    for seed in 0..20 {
        let world = crate::support::builder(&by_output()).workers(4).seed(seed).build().unwrap();
        for worker in 0..4 {
            assert_eq!(room(&world, worker), 1);
        }
        answer(&world.ask(2), "application/json", &document(10, 16), 1_000);
        world.advance(ms(510));
        for worker in 0..4 {
            assert_eq!(room(&world, worker), 10, "worker {worker}");
        }
    }
}

#[test]
fn what_was_learned_survives_the_vm_that_learned_it() {
    let world = world(&by_output(), 2);
    answer(&world.ask(0), "application/json", &document(10, 16), 1_000);
    world.advance(s(2));
    world.worker(0).kill();
    world.advance(ms(2_600));
    assert_eq!([room(&world, 0), room(&world, 1)], [10, 10], "for the very first request of either VM");
    world.assert_idle();
}

#[test]
fn the_characters_of_a_token_are_learned() {
    let world = world(&by_input(), 2);
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "x".repeat(4_000) }] }).to_string();
    let ask = |worker| world.worker(worker).request().to("POST", "/v1/chat/completions").body(body.clone()).send();
    assert_eq!(room_for(|| ask(0)), 10, "cold, a token has some four characters");
    for _ in 0..5 {
        answer(&ask(0), "application/json", &document(4_000, 10), 1_000);
    }
    world.ask(1).finish();
    world.advance(ms(600));
    assert_eq!([room_for(|| ask(0)), room_for(|| ask(1))], [1, 1], "in this script it has one");
}

#[test]
fn by_headers_the_bytes_of_a_token_are_learned() {
    let mut config = by_input();
    config["request"]["inspect"] = json!("headers");
    let world = world(&config, 1);
    let ask = || world.worker(0).request().to("POST", "/v1/chat/completions").body(vec![b' '; 5_000]).send();
    assert_eq!(room_for(ask), 10);
    for _ in 0..5 {
        answer(&ask(), "application/json", &document(4_000, 10), 1_000);
    }
    world.advance(ms(300));
    assert_eq!(room_for(ask), 1);
}

#[test]
fn names_that_clients_make_up_get_no_key_of_their_own() {
    let mut config = by_output();
    config["pods"]["static"][0].as_object_mut().unwrap().remove("models");
    let world = world(&config, 1);
    for number in 0..600 {
        let body = format!(r#"{{"model": "made-up-{number}", "messages": []}}"#);
        let stream = world.worker(0).request().to("POST", "/v1/chat/completions").body(body).send();
        answer(&stream, "application/json", &document(10, 16), 1_000);
    }
    world.advance(s(1));
    let keys = world.shared_data_keys().into_iter().filter(|key| key.contains("/lengths/")).count();
    assert_eq!(keys, 258, "256 names, one that took the place of another, and one for the rest");
}
