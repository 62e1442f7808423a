//! Pausing, resuming, replying, leaving.

use wasm_host::flags;

use crate::support::{builder, ms, seen, seen_of_requests, world};

#[test]
fn a_request_resumed_by_a_tick_carries_the_header_set_just_before() {
    let world = world("configure: tick_every=10; tick: wake");
    let stream = world.worker(0).request().header("x-script", "request_headers: wait, pause").send();
    assert!(stream.is_paused());
    world.advance(ms(20));
    assert_eq!(stream.upstream_headers().unwrap().get("x-woken"), Some("yes"));
}

#[test]
fn headers_are_gone_once_the_request_is_resumed() {
    let world = world("");
    let script = "request_headers: set=a~1, resume, set=b~2, remove=a, get=a, pairs, pause";
    let stream = world.worker(0).request().header("x-script", script).send();
    let seen = seen_of_requests(&world);
    assert_eq!(
        seen,
        [
            "#2 request_headers end=true",
            "#2 set -> 0",
            "#2 resume -> 0",
            "#2 set -> 2",
            "#2 remove -> 2",
            "#2 get -> (2, \"\")",
            "#2 pairs -> (0, false)"
        ]
    );
    let headers = stream.upstream_headers().unwrap();
    assert_eq!((headers.get("a"), headers.get("b")), (Some("1"), None));
}

#[test]
fn a_root_may_resume_and_reply_which_does_nothing() {
    let world = world("configure: tick_every=10; tick: tick_every=0, resume, reply=429, body, call_body");
    world.advance(ms(20));
    assert_eq!(
        seen(&world, 0)[4..],
        ["#1 resume -> 0", "#1 reply -> 0", "#1 body -> (0, \"\")", "#1 call_body -> (1, \"\")"]
    );
}

#[test]
fn headers_are_gone_once_the_request_went_on_by_itself() {
    let world = world("");
    let script = "request_headers: property=request.path; response_headers: set=a~1, get=a, property=request.path";
    world.worker(0).request().header("x-script", script).send().respond(200, []);
    assert_eq!(
        seen_of_requests(&world)[1..],
        [
            "#2 property -> (0, \"/\")",
            "#2 response_headers end=false",
            "#2 set -> 2",
            "#2 get -> (2, \"\")",
            "#2 property -> (1, \"\")"
        ]
    );
}

#[test]
fn a_local_reply_is_seen_by_the_guest_itself_and_then_the_stream_ends() {
    let world = world("");
    let stream = world.worker(0).request().header("x-script", "request_headers: reply=429; log: code, flags").send();
    let response = stream.response().unwrap();
    assert_eq!((response.status, response.body.as_slice(), response.complete), (429, &b"told so"[..], true));
    assert!(stream.upstream_headers().is_none());
    assert_eq!(
        seen_of_requests(&world),
        [
            "#2 request_headers end=true",
            "#2 reply -> 0",
            "#2 response_headers end=false",
            "#2 response_body size=7 end=true",
            "#2 log",
            "#2 code -> Some(429)",
            "#2 flags -> Some(0)",
            "#2 done",
            "#2 delete"
        ]
    );
}

#[test]
fn a_client_that_leaves_while_paused_ends_the_stream_at_once_and_its_context_is_unknown_afterwards() {
    let world = world("");
    let script = "request_headers: wait, pause; log: code, flags, get=x-script2, get_response=:status";
    let stream = world.worker(0).request().header("x-script", script).send();
    stream.client_reset();
    assert!(stream.is_ended());
    assert!(stream.response().is_none());
    let flags = format!("#2 flags -> Some({})", flags::DOWNSTREAM_CONNECTION_TERMINATION);
    assert_eq!(
        seen_of_requests(&world)[2..],
        [
            "#2 code -> None",
            flags.as_str(),
            "#2 get -> (1, \"\")",
            "#2 get_response -> (1, \"\")",
            "#2 done",
            "#2 delete"
        ]
    );
    world.worker(0).request().header("x-script", "request_headers: effective_of_last").send();
    assert_eq!(seen_of_requests(&world).last().unwrap(), "#3 effective_of_last -> 2");
}

#[test]
fn acting_for_another_stream_does_not_change_what_the_next_callback_acts_for() {
    let world = world("");
    let waiting = world.worker(0).request().header("x-script", "request_headers: wait, pause").send();
    let script = "request_headers: wake, set=own~1, effective=2; response_headers: set_response=own~2";
    let waking = world.worker(0).request().header("x-script", script).send();
    waking.respond(200, []).body("ok");
    assert_eq!(waiting.upstream_headers().unwrap().get("x-woken"), Some("yes"));
    assert_eq!(waking.upstream_headers().unwrap().get("own"), Some("1"));
    assert_eq!(waking.response().unwrap().headers.get("own"), Some("2"));
    assert!(seen_of_requests(&world).contains(&"#3 effective -> 0".to_owned()));
}

#[test]
fn an_unknown_effective_context_is_refused() {
    let world = world("");
    world.worker(0).request().header("x-script", "request_headers: effective=4711").send();
    assert_eq!(seen_of_requests(&world)[1], "#2 effective -> 2");
}

#[test]
fn a_response_passes_through_and_its_end_is_the_streams() {
    let world = world("");
    let script = "request_headers: x; response_headers: set_response=seen~1; log: get=:method, get_response=:status";
    let stream = world.worker(0).request().header("x-script", script).send();
    stream.respond(200, [("a", "b")]).chunk("one").chunk("two").end();
    let response = stream.response().unwrap();
    assert_eq!((response.status, response.body.as_slice(), response.complete), (200, &b"onetwo"[..], true));
    assert_eq!(response.headers.get("seen"), Some("1"));
    assert_eq!(
        seen_of_requests(&world)[2..],
        [
            "#2 response_headers end=false",
            "#2 set_response -> 0",
            "#2 response_body size=3 end=false",
            "#2 response_body size=3 end=false",
            "#2 response_body size=0 end=true",
            "#2 log",
            "#2 get -> (0, \"GET\")",
            "#2 get_response -> (0, \"200\")",
            "#2 done",
            "#2 delete"
        ]
    );
}

#[test]
fn trailers_end_both_directions() {
    let world = world("");
    let stream = world.worker(0).request().header("x-script", "none:").open().send();
    stream.send("body").send_trailers([("t", "1")]);
    assert!(stream.upstream_complete());
    stream.respond(200, []).chunk("x").trailers([("grpc-status", "0"), ("b", "2")]);
    assert!(stream.is_ended());
    assert_eq!(stream.response().unwrap().trailers.unwrap().get("b"), Some("2"));
    assert!(seen_of_requests(&world).contains(&"#2 request_trailers count=1".to_owned()));
    assert!(seen_of_requests(&world).contains(&"#2 response_trailers count=2".to_owned()));
}

#[test]
fn an_upstream_reset_before_headers_is_a_503_and_after_them_a_cut() {
    let world = world("");
    let before = world.worker(0).request().send();
    before.upstream_reset();
    assert_eq!(before.response().unwrap().status, 503);
    let after = world.worker(0).request().send();
    after.respond(200, []).chunk("half").upstream_reset();
    let response = after.response().unwrap();
    assert!(after.is_ended() && !response.complete);
    assert_eq!(response.body, b"half");
}

#[test]
fn a_stream_on_which_nothing_moves_is_answered_504() {
    let world = builder("").timing(|timing| timing.idle_timeout = ms(2_000)).build().unwrap();
    let script = "request_headers: pause; log: flags";
    let stream = world.worker(0).request().header("x-script", script).send();
    world.advance(ms(1_999));
    assert!(stream.is_paused());
    world.advance(ms(1));
    assert_eq!(stream.response().unwrap().status, 504);
    assert!(seen_of_requests(&world).contains(&format!("#2 flags -> Some({})", flags::STREAM_IDLE_TIMEOUT)));
}

#[test]
fn a_local_reply_after_the_response_began_cuts_the_stream() {
    let world = world("");
    let stream = world.worker(0).request().header("x-script", "response_body: reply=500").send();
    stream.respond(200, []).chunk("x");
    assert!(stream.is_ended());
    assert!(!stream.response().unwrap().complete);
}

#[test]
fn a_local_reply_while_the_response_is_held_goes_past_the_filter() {
    let world = world("");
    let stream = world.worker(0).request().header("x-script", "response_headers: reply=500").send();
    stream.respond(200, []).body("x");
    let response = stream.response().unwrap();
    assert_eq!((response.status, response.complete), (500, true));
    assert_eq!(seen_of_requests(&world)[3..], ["#2 log", "#2 done", "#2 delete"]);
}

#[test]
fn the_idle_timeout_begins_anew_with_all_that_moves() {
    let world = builder("").timing(|timing| timing.idle_timeout = ms(2_000)).build().unwrap();
    let script = "request_headers: pause; request_body: pause";
    let stream = world.worker(0).request().header("x-script", script).open().send();
    world.advance(ms(1_000));
    stream.send("x");
    world.advance(ms(1_999));
    assert!(stream.is_paused());
    world.advance(ms(1));
    assert!(stream.is_ended());
}
