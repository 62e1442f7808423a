//! Request bodies in both modes.

use crate::support::{builder, ms, seen_of_requests, world};

const WITHOUT_FLAG: &str = "configure: tick_every=10; tick: wake";

#[test]
fn with_the_flag_a_split_body_is_announced_cumulatively_and_can_be_read_whole() {
    let world = world("configure: tick_every=10; tick: wake");
    let script = "request_headers: pause; request_body: body, pause";
    let stream = world.worker(0).request().to("POST", "/").header("x-script", script).open().send();
    stream.send("hello ").send("world").send_last("");
    assert_eq!(
        seen_of_requests(&world),
        [
            "#2 request_headers end=false",
            "#2 request_body size=6 end=false",
            "#2 body -> (0, \"hello \")",
            "#2 request_body size=11 end=false",
            "#2 body -> (0, \"hello world\")",
            "#2 request_body size=11 end=true",
            "#2 body -> (0, \"hello world\")"
        ]
    );
    assert!(stream.is_paused());
}

#[test]
fn continue_at_the_bodys_end_sends_headers_and_body_on() {
    let world = world("");
    let script = "request_headers: pause; request_body: set=a~1";
    let stream = world.worker(0).request().header("x-script", script).body("hello").send();
    // The first piece is let go at once, so the headers are, too.
    assert_eq!(stream.upstream_headers().unwrap().get("a"), Some("1"));
    assert_eq!(stream.upstream_body(), b"hello");
    assert!(stream.upstream_complete());
}

#[test]
fn without_the_flag_the_body_is_not_seen_until_the_request_is_resumed() {
    let world = builder(WITHOUT_FLAG).allow_on_headers_stop_iteration(false).build().unwrap();
    let script = "request_headers: wait, body, pause; request_body: body";
    let stream = world.worker(0).request().header("x-script", script).body("hello").send();
    assert_eq!(seen_of_requests(&world), ["#2 request_headers end=false", "#2 body -> (0, \"\")"]);
    world.advance(ms(20));
    assert_eq!(
        seen_of_requests(&world)[2..],
        [
            "#1 wake #2 -> 0 set 0 resume 0 set after resume 2",
            "#2 request_body size=5 end=true",
            "#2 body -> (0, \"hello\")"
        ]
    );
    assert_eq!(stream.upstream_body(), b"hello");
    assert!(stream.upstream_complete());
}

#[test]
fn a_body_paused_at_its_end_can_be_read_and_resumed_from_a_tick() {
    let world = world("configure: tick_every=10; tick: wake");
    let script = "request_headers: pause; request_body: pause, wait";
    let stream = world.worker(0).request().header("x-script", script).chunks([b"hello".to_vec()]).send();
    world.advance(ms(20));
    assert_eq!(stream.upstream_body(), b"hello");
    assert_eq!(stream.upstream_headers().unwrap().get("x-woken"), Some("yes"));
}

#[test]
fn the_body_can_be_changed_at_both_ends_and_replaced() {
    let world = world("");
    let script = "request_headers: pause; request_body: prepend=<, append=>";
    let both = world.worker(0).request().header("x-script", script).open().send();
    both.send_last("x");
    assert_eq!(both.upstream_body(), b"<x>");
    let script = "request_headers: pause; request_body: replace=new";
    let replaced = world.worker(0).request().header("x-script", script).open().send();
    replaced.send_last("old and long");
    assert_eq!(replaced.upstream_body(), b"new");
}

#[test]
fn a_buffered_body_beyond_the_limit_is_answered_413() {
    let world = builder("").timing(|timing| timing.body_limit = 8).build().unwrap();
    let script = "request_headers: pause; request_body: pause";
    let stream = world.worker(0).request().header("x-script", script).open().send();
    stream.send("12345678");
    assert!(stream.is_paused());
    stream.send("9");
    assert_eq!(stream.response().unwrap().status, 413);
}

#[test]
fn without_the_flag_a_body_beyond_the_limit_is_held_and_arrives_whole() {
    let world = builder(WITHOUT_FLAG)
        .allow_on_headers_stop_iteration(false)
        .timing(|timing| timing.body_limit = 8)
        .build()
        .unwrap();
    let body = vec![b'x'; 100];
    let stream = world.worker(0).request().header("x-script", "request_headers: wait, pause").body(body.clone()).send();
    world.advance(ms(20));
    assert_eq!(stream.upstream_body(), body);
}

#[test]
fn pieces_after_a_resume_amid_the_body_go_on_one_by_one() {
    let world = world("configure: tick_every=10; tick: wake");
    let script = "request_headers: pause; first_request_body: pause, wait; request_body: body";
    let stream = world.worker(0).request().header("x-script", script).open().send();
    stream.send("one");
    world.advance(ms(20));
    assert_eq!(stream.upstream_body(), b"one");
    stream.send("two").send_last("three");
    assert_eq!(stream.upstream_body(), b"onetwothree");
    let lines = seen_of_requests(&world);
    assert_eq!(
        lines[lines.len() - 4..][..3],
        ["#2 request_body size=3 end=false", "#2 body -> (0, \"two\")", "#2 request_body size=5 end=true"]
    );
}
