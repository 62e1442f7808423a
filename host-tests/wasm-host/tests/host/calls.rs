//! Callouts and properties.

use wasm_host::{CallAnswer, CallReply};

use crate::support::{builder, ms, seen, seen_of_requests};

fn after_call(answer: CallAnswer, script: &str) -> Vec<String> {
    let world = builder("").cluster("c", move |_| answer.clone()).build().unwrap();
    world.worker(0).request().header("x-script", script).send();
    world.advance(ms(500));
    seen_of_requests(&world)[1..].to_vec()
}

const CALL_AND_LOOK: &str = "request_headers: call=c~100; call: get_call=:status, call_body";

#[test]
fn an_answer_comes_to_the_context_that_asked() {
    let seen = after_call(CallAnswer::response(ms(5), 200, "pods"), CALL_AND_LOOK);
    assert_eq!(
        seen,
        [
            "#2 call -> Ok(())",
            "#2 call headers=3 body=4",
            "#2 get_call -> (0, \"200\")",
            "#2 call_body -> (0, \"pods\")"
        ]
    );
}

#[test]
fn a_root_that_asks_in_a_tick_is_answered() {
    let configuration = "configure: tick_every=10; tick: tick_every=0, call=c~100; call: call_body";
    let world = builder(configuration).cluster("c", |_| CallAnswer::response(ms(5), 200, "pods")).build().unwrap();
    world.advance(ms(100));
    assert_eq!(seen(&world, 0)[5..], ["#1 call headers=3 body=4", "#1 call_body -> (0, \"pods\")"]);
}

#[test]
fn a_timeout_is_a_504_with_three_headers() {
    let seen = after_call(CallAnswer::Silence, CALL_AND_LOOK);
    assert_eq!(seen[1..3], ["#2 call headers=3 body=24", "#2 get_call -> (0, \"504\")"]);
}

#[test]
fn a_connection_that_breaks_before_the_answer_is_a_503() {
    let seen = after_call(CallAnswer::Broken { after: ms(1) }, CALL_AND_LOOK);
    assert_eq!(seen[1..3], ["#2 call headers=3 body=95", "#2 get_call -> (0, \"503\")"]);
}

#[test]
fn a_connection_that_breaks_amid_the_answer_has_no_headers() {
    let seen = after_call(CallAnswer::Reset { after: ms(1) }, CALL_AND_LOOK);
    assert_eq!(seen[1..3], ["#2 call headers=0 body=0", "#2 get_call -> (2, \"\")"]);
}

#[test]
fn an_answer_after_its_stream_ended_is_dropped_without_harm() {
    let world = builder("").cluster("c", |_| CallAnswer::response(ms(5), 200, "")).build().unwrap();
    let stream = world.worker(0).request().header("x-script", CALL_AND_LOOK).send();
    stream.client_reset();
    world.advance(ms(100));
    assert!(world.worker(0).is_alive());
    assert_eq!(seen_of_requests(&world).last().unwrap(), "#2 delete");
}

#[test]
fn a_cluster_without_hosts_fails_at_once_and_an_unknown_one_is_a_bad_argument() {
    let script = "request_headers: call=c~100, call=unknown~100, call_without_path=c~100";
    let seen = after_call(CallAnswer::NoHosts, script);
    assert_eq!(
        seen,
        ["#2 call -> Err(InternalFailure)", "#2 call -> Err(BadArgument)", "#2 call_without_path -> Err(BadArgument)"]
    );
}

#[test]
fn an_answer_after_the_vm_died_is_dropped() {
    let world = builder("").cluster("c", |_| CallAnswer::response(ms(5), 200, "")).build().unwrap();
    world.worker(0).request().header("x-script", "request_headers: call=c~100").send();
    world.worker(0).kill();
    world.advance(ms(100));
    assert_eq!(seen_of_requests(&world).len(), 2);
    assert_eq!(world.calls().len(), 1);
}

#[test]
fn an_answer_may_have_trailers_and_headers_of_its_own() {
    let mut reply = CallReply::new(200, "x");
    reply.headers.add("a", "b");
    let answer = CallAnswer::Response { after: ms(1), reply };
    let seen = after_call(answer, "request_headers: call=c~100; call: get_call=a");
    assert_eq!(seen[1..], ["#2 call headers=4 body=1", "#2 get_call -> (0, \"b\")"]);
}

#[test]
fn properties_are_those_of_the_stream() {
    let world = builder("").build().unwrap();
    let script = "request_headers: property=plugin_name, property=request.path, property=request.headers.a, \
                  property=cluster_name, property=upstream.address, foreign=nothing";
    world.worker(0).request().to("GET", "/p").header("a", "1").header("x-script", script).send();
    assert_eq!(
        seen_of_requests(&world)[1..],
        [
            "#2 property -> (0, \"probe\")",
            "#2 property -> (0, \"/p\")",
            "#2 property -> (0, \"1\")",
            "#2 property -> (1, \"\")",
            "#2 property -> (1, \"\")",
            "#2 foreign -> 1"
        ]
    );
}
