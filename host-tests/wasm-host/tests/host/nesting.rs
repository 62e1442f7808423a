//! Nesting: what host calls put off runs nested, and too deep a nest kills the VM.

use wasm_host::{Route, Stream, World};

use crate::support::{builder, ms, seen_of_requests};

fn waiting(world: &World, count: usize) -> Vec<Stream> {
    let script = "request_headers: wait, pause";
    (0..count).map(|_| world.worker(0).request().header("x-script", script).send()).collect()
}

fn answered(streams: &[Stream], status: u16) -> usize {
    streams.iter().filter(|stream| stream.response().is_some_and(|response| response.status == status)).count()
}

#[test]
fn a_release_whose_requests_fail_at_once_nests_once_per_request() {
    let world =
        builder("configure: tick_every=10; tick: wake_all").upstream(|_| Route::NoHealthyUpstream).build().unwrap();
    let streams = waiting(&world, 200);
    world.advance(ms(20));
    assert!(world.worker(0).is_alive());
    assert_eq!(answered(&streams, 503), 200);
}

#[test]
fn too_large_a_release_overflows_the_stack() {
    let world =
        builder("configure: tick_every=10; tick: wake_all").upstream(|_| Route::NoHealthyUpstream).build().unwrap();
    waiting(&world, 300);
    world.advance(ms(20));
    assert!(!world.worker(0).is_alive());
    assert!(world.traps()[0].contains("stack overflow"), "{:?}", world.traps());
}

#[test]
fn the_limit_can_be_set() {
    let world =
        builder("configure: tick_every=10; tick: refuse_all").timing(|timing| timing.depth_limit = 20).build().unwrap();
    let streams = waiting(&world, 15);
    world.advance(ms(20));
    assert_eq!(answered(&streams, 429), 15);
    waiting(&world, 25);
    world.advance(ms(20));
    assert!(!world.worker(0).is_alive());
}

#[test]
fn a_chain_of_wakes_from_on_done_overflows_the_stack() {
    let world = builder("").upstream(|_| Route::NoHealthyUpstream).build().unwrap();
    let script = "request_headers: wait, pause; done: wake";
    for _ in 0..300 {
        world.worker(0).request().header("x-script", script).send();
    }
    world.worker(0).request().header("x-script", "done: wake").send();
    assert!(!world.worker(0).is_alive());
}

#[test]
fn a_chain_over_the_own_queue_stays_flat() {
    let world = builder("configure: register=own; queue: dequeue=own, wake")
        .upstream(|_| Route::NoHealthyUpstream)
        .build()
        .unwrap();
    let script = "request_headers: wait, pause; done: enqueue=own";
    let streams: Vec<_> = (0..2_000).map(|_| world.worker(0).request().header("x-script", script).send()).collect();
    world.worker(0).request().header("x-script", "done: enqueue=own").send();
    world.advance(ms(1_000));
    assert!(world.worker(0).is_alive());
    assert_eq!(answered(&streams, 503), 2_000);
}

#[test]
fn a_nested_callback_finishes_what_is_put_off_before_the_outer_goes_on() {
    let world =
        builder("configure: tick_every=10; tick: wake_all").upstream(|_| Route::NoHealthyUpstream).build().unwrap();
    waiting(&world, 2);
    world.advance(ms(20));
    let order: Vec<_> = seen_of_requests(&world).into_iter().filter(|line| !line.starts_with("#1")).skip(2).collect();
    assert_eq!(
        order,
        [
            // The first stream's reply enters the guest, and on leaving it the second stream's resume is run to its end.
            "#2 response_headers end=false",
            "#3 response_headers end=false",
            "#3 response_body size=19 end=true",
            "#3 log",
            "#3 done",
            "#3 delete",
            "#2 response_body size=19 end=true",
            "#2 log",
            "#2 done",
            "#2 delete"
        ]
    );
}

#[test]
fn a_reply_in_a_decode_callback_waits_for_what_was_put_off_after_it() {
    let world = builder("").upstream(|_| Route::NoHealthyUpstream).build().unwrap();
    waiting(&world, 1);
    world.worker(0).request().header("x-script", "request_headers: reply=429, wake").send();
    let replies: Vec<_> =
        seen_of_requests(&world).into_iter().filter(|line| line.contains("response_headers")).collect();
    assert_eq!(replies, ["#2 response_headers end=false", "#3 response_headers end=false"]);
}
