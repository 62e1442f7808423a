//! However a stream ends, what it took is given back, once.

use wasm_host::{LogLevel, Stream, World};

use crate::support::{Gateway, Sent, Shared, builder, filter, ms, s, world};

/// The outcomes that the filter counted, of the default class and policy.
fn outcomes(world: &World) -> Vec<(&'static str, u64)> {
    let known = ["kept", "missed", "no-objective", "failed", "client-error", "abandoned"];
    let count =
        |outcome: &str| world.count("requests_total", &format!("_class=default__policy=slo__outcome={outcome}_"));
    known.into_iter().map(|outcome| (outcome, count(outcome))).filter(|(_, count)| *count > 0).collect()
}

/// One request runs on the only pod, which is full with it, and one waits.
fn one_runs_and_one_waits() -> (World, Stream, Stream) {
    let world = world(&filter(1, 1), 1);
    let (runs, waits) = (world.ask(0), world.ask(0));
    assert!(runs.is_running() && waits.is_paused());
    (world, runs, waits)
}

/// Sees that the one that waits gets the room, and that all is well after it.
fn assert_the_room_is_free(world: &World, waits: &Stream) {
    world.settle();
    assert!(waits.is_running());
    waits.finish();
    assert_eq!(waits.status(), Some(200));
    world.assert_idle();
}

#[test]
fn an_answer_frees_the_room() {
    let (world, runs, waits) = one_runs_and_one_waits();
    runs.finish();
    assert_the_room_is_free(&world, &waits);
    assert_eq!(outcomes(&world), [("kept", 2)]);
}

#[test]
fn an_answer_of_headers_alone_frees_the_room_and_is_complete() {
    let (world, runs, waits) = one_runs_and_one_waits();
    runs.respond_without_body(204, []);
    assert_the_room_is_free(&world, &waits);
    assert_eq!(outcomes(&world), [("kept", 2)]);
}

#[test]
fn an_answer_that_ends_in_trailers_is_complete() {
    let (world, runs, waits) = one_runs_and_one_waits();
    runs.respond(200, []).chunk("x").trailers([("grpc-status", "0")]);
    assert_the_room_is_free(&world, &waits);
    assert_eq!(outcomes(&world), [("kept", 2)]);
}

#[test]
fn an_upstream_reset_before_the_answer_frees_the_room() {
    let (world, runs, waits) = one_runs_and_one_waits();
    runs.upstream_reset();
    assert_eq!(runs.status(), Some(503));
    assert_the_room_is_free(&world, &waits);
    assert_eq!(outcomes(&world), [("kept", 1), ("failed", 1)]);
}

#[test]
fn an_upstream_reset_amid_the_answer_frees_the_room() {
    let (world, runs, waits) = one_runs_and_one_waits();
    runs.respond(200, [("content-type", "text/event-stream")]).chunk("data: {}\n\n").upstream_reset();
    assert!(!runs.response().unwrap().complete);
    assert_the_room_is_free(&world, &waits);
    assert_eq!(outcomes(&world), [("kept", 1), ("failed", 1)]);
}

#[test]
fn a_client_that_leaves_before_the_answer_frees_the_room() {
    let (world, runs, waits) = one_runs_and_one_waits();
    runs.client_reset();
    assert!(runs.upstream_cancelled());
    assert_the_room_is_free(&world, &waits);
    assert_eq!(outcomes(&world), [("kept", 1), ("abandoned", 1)]);
}

#[test]
fn a_client_that_leaves_amid_the_answer_frees_the_room() {
    let (world, runs, waits) = one_runs_and_one_waits();
    runs.respond(200, [("content-type", "text/event-stream")]).chunk("data: {}\n\n").client_reset();
    assert_the_room_is_free(&world, &waits);
    assert_eq!(outcomes(&world), [("kept", 1), ("abandoned", 1)]);
}

#[test]
fn a_client_that_leaves_while_it_waits_is_never_sent() {
    let (world, runs, waits) = one_runs_and_one_waits();
    waits.client_reset();
    runs.finish();
    world.settle();
    assert!(waits.upstream_headers().is_none());
    world.assert_idle();
    assert_eq!(outcomes(&world), [("kept", 1)]);
}

#[test]
fn a_client_that_leaves_while_its_body_comes_costs_nothing() {
    let world = world(&filter(1, 1), 1);
    let reading = world.chat(0).open().send();
    reading.send(" ");
    reading.client_reset();
    assert!(world.ask(0).is_running(), "the room is still there");
    assert_eq!(Shared(&world).in_flight(), 1);
}

#[test]
fn a_client_that_leaves_in_the_very_turn_of_its_release_frees_the_room() {
    let (world, runs, waits) = one_runs_and_one_waits();
    let last = world.ask(0);
    runs.finish();
    // The wake-up is under way when the first in the queue goes.
    waits.client_reset();
    assert_the_room_is_free(&world, &last);
}

#[test]
fn a_reset_right_after_the_release_frees_the_room() {
    let (world, runs, waits) = one_runs_and_one_waits();
    let last = world.ask(0);
    runs.finish();
    assert!(world.run_until(ms(1), || waits.is_running()));
    waits.upstream_reset();
    assert_the_room_is_free(&world, &last);
}

#[test]
fn envoys_idle_timeout_of_one_that_waits_leaves_nothing() {
    let mut config = filter(1, 1);
    config["queue"]["max_wait"] = "30s".into();
    let world = builder(&config).timing(|timing| timing.idle_timeout = s(2)).build().unwrap();
    let runs = world.ask(0);
    runs.respond(200, [("content-type", "text/event-stream")]);
    let waits = world.ask(0);
    world.advance(ms(1_500));
    runs.chunk("data: {}\n\n");
    world.advance(ms(600));
    assert_eq!(waits.status(), Some(504));
    runs.body("data: [DONE]\n\n");
    world.assert_idle();
}

#[test]
fn envoys_idle_timeout_of_a_silent_pod_frees_the_room() {
    let world = builder(&filter(1, 1)).timing(|timing| timing.idle_timeout = s(5)).build().unwrap();
    let runs = world.ask(0);
    world.advance(s(3));
    let waits = world.ask(0);
    world.advance(ms(2_100));
    assert_eq!(runs.status(), Some(504));
    assert_the_room_is_free(&world, &waits);
    assert_eq!(outcomes(&world), [("kept", 1), ("failed", 1)]);
}

#[test]
fn the_filters_own_reply_is_not_taken_for_a_pods() {
    let world = world(&filter(1, 1), 1);
    let refused = world.chat(0).header("routing-strategy", "fastest").send();
    let response = refused.response().unwrap();
    assert_eq!((response.status, response.headers.get("x-slo-router-policy")), (400, None));
    assert_eq!(outcomes(&world), []);
    assert!(Shared(&world).failing().is_empty());
}

#[test]
fn nothing_of_a_request_is_logged() {
    let world = builder(&filter(1, 1)).log_level(LogLevel::Trace).build().unwrap();
    world.ask(0).finish();
    // With the first tick the filter has said what it has to say of its configuration.
    world.advance(ms(20));
    let before = world.logs().len();
    for _ in 0..10 {
        world.ask(0).finish();
        world.chat(0).header("routing-strategy", "fastest").send();
        world.advance(ms(10));
    }
    assert_eq!(world.logs()[before..], Vec::<String>::new());
    world.assert_idle();
}
