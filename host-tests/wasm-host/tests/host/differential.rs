//! The same script on this host and on a real Envoy leaves the same log in the guest, on all threads, and gives the client
//! the same answers.

use wasm_host::FailurePolicy;

use crate::envoy::Setup;
use crate::scenario::{Step, on_envoy, on_host};
use crate::support::ms;

/// Envoy runs in real time, on a machine that may be busy: what only came in another order gets two more tries.
fn same(setup: Setup, steps: &[Step]) {
    let here = on_host(setup, steps);
    let mut there = on_envoy(setup, steps);
    for _ in 0..2 {
        if there != here {
            there = on_envoy(setup, steps);
        }
    }
    assert_eq!(here, there, "left: this host, right: Envoy");
}

/// One request, whose root does nothing.
fn one(script: &'static str) {
    same(with(""), &[Step::Get("/", script)]);
}

fn waking() -> Setup {
    with("configure: tick_every=10; tick: wake")
}

fn with(configuration: &'static str) -> Setup {
    Setup { configuration, ..Setup::default() }
}

#[test]
fn a_request_resumed_by_a_tick() {
    same(
        waking(),
        &[Step::Get("/", "request_headers: wait, pause; response_headers: set_response=a~b; log: code, get=x-woken")],
    );
}

#[test]
fn headers_after_a_resume() {
    one("request_headers: set=a~1, resume, set=b~2, remove=a, get=a, pairs, pause; log: get=a, get=b");
}

#[test]
fn a_root_that_resumes_and_replies() {
    same(
        with("configure: tick_every=10; tick: tick_every=0, resume, reply=429, body, call_body"),
        &[Step::Wait(ms(100))],
    );
}

#[test]
fn a_resume_in_the_callback_with_a_body_to_come() {
    same(with(""), &[Step::Post("request_headers: resume, pause; request_body: body", &["one", "two"])]);
}

#[test]
fn a_split_body_in_body_mode() {
    same(with(""), &[Step::Post("request_headers: pause; request_body: body, pause", &["hello ", "world"])]);
    same(with(""), &[Step::Post("request_headers: pause; request_body: body_from=3, body_from=99, pause", &["hello"])]);
    same(
        waking(),
        &[
            Step::Post("request_headers: wait, pause; request_body: body, pause", &["hello ", "world"]),
            Step::Wait(ms(50)),
        ],
    );
}

#[test]
fn a_resume_amid_the_body() {
    let script = "request_headers: pause; first_request_body: pause, wait; request_body: body";
    same(waking(), &[Step::Post(script, &["one", "two", "three"])]);
}

#[test]
fn a_body_without_the_flag() {
    let setup = Setup { allow_on_headers_stop_iteration: false, ..with("") };
    let waiting = "request_headers: wait, body, pause; request_body: body, pause";
    same(setup, &[Step::Post(waiting, &["hello ", "world"]), Step::Get("/", "request_headers: wake")]);
}

#[test]
fn changes_to_a_body() {
    let script = "request_headers: pause; request_body: prepend=<<, append=>>, body";
    same(with(""), &[Step::Post(script, &["one", "two"])]);
}

#[test]
fn a_local_reply() {
    one(
        "request_headers: reply=429, set=a~1; response_headers: get_response=:status; log: code, flags, get=a, get_response=:status",
    );
}

#[test]
fn a_local_reply_from_a_tick() {
    same(
        with("configure: tick_every=10; tick: refuse_all"),
        &[
            Step::Get("/", "request_headers: wait, pause; log: code"),
            Step::Get("/", "request_headers: wait, pause; response_headers: pairs"),
        ],
    );
}

#[test]
fn a_client_that_leaves() {
    same(
        with(""),
        &[
            Step::Get("/", "request_headers: pause; log: code, flags, get=:method, get_response=:status, pairs"),
            Step::Leave(0),
            Step::Get("/", "request_headers: effective_of_last, effective=4711"),
        ],
    );
}

#[test]
fn waking_another_stream_at_each_callback() {
    // The woken one is answered late, so that the order of the two answers is known.
    for event in ["request_headers", "response_headers", "response_body", "log", "done"] {
        let script: &'static str = Box::leak(format!("{event}: wake").into_boxed_str());
        same(with(""), &[Step::Get("/late", "request_headers: wait, pause; log: get=x-woken"), Step::Get("/", script)]);
    }
}

#[test]
fn a_queue_as_a_trampoline() {
    same(
        with("configure: register=own; queue: dequeue=own, dequeue=own, wake"),
        &[
            Step::Get("/", "request_headers: wait, pause; done: enqueue=own"),
            Step::Get("/", "request_headers: wait, pause"),
            Step::Get("/", "done: enqueue=own"),
            Step::Get("/", "request_headers: enqueue_unknown, enqueue=nobody, dequeue=nobody"),
            Step::Get("/", "request_headers: enqueue=own, enqueue=own"),
        ],
    );
}

#[test]
fn a_release_into_a_cluster_without_hosts() {
    let waiting = Step::Get("/none", "request_headers: wait, pause; log: code, flags");
    let waking = Step::Get("/none", "request_headers: wake_all");
    same(with(""), &[waiting.clone(), waiting.clone(), waiting.clone(), waking, waiting]);
}

#[test]
fn a_forwarded_request_whose_vm_dies() {
    same(with(""), &[Step::Get("/late", "a: b"), Step::Get("/", "request_headers: trap"), Step::Wait(ms(500))]);
}

#[test]
fn an_upstream_that_breaks() {
    same(with(""), &[Step::Get("/breaking", "response_headers: get_response=:status; log: code, flags")]);
}

#[test]
fn shared_data_and_metrics() {
    let script = "request_headers: shared=k, share_at_77=k~1, share_at_77=k~2, share_again=k~3, share=k~, shared=k, count=c, gauge=g, count_unknown, foreign=none";
    one(script);
}

#[test]
fn properties() {
    let script = "request_headers: property=plugin_name, property=plugin_root_id, property=plugin_vm_id, property=request.path, \
                  property=request.headers.host, property=xds.node.id, property=cluster_name, property=upstream.address; \
                  response_headers: property=request.path; log: property=request.method";
    same(with(""), &[Step::Get("/p", script)]);
}

#[test]
fn callouts() {
    let look = "call: get_call=:status, call_body";
    for call in [
        "call=answering~500",
        "call=silent~50",
        "call=breaking~500",
        "call=cutting~500",
        "call=none~500",
        "call=unknown~500",
        "call_without_path=answering~500",
    ] {
        let script: &'static str = Box::leak(format!("request_headers: {call}, pause; {look}").into_boxed_str());
        same(with(""), &[Step::Get("/", script), Step::Wait(ms(150))]);
    }
}

#[test]
fn a_callout_whose_stream_is_gone() {
    same(
        with(""),
        &[
            Step::Get("/", "request_headers: call=silent~200, pause"),
            Step::Leave(0),
            Step::Wait(ms(300)),
            Step::Get("/", "a: b"),
        ],
    );
}

#[test]
fn a_trap_and_the_way_back() {
    let setup = Setup { idle_timeout: ms(2_000), ..waking() };
    same(
        setup,
        &[
            Step::Wait(ms(2_000)),
            Step::Get("/", "request_headers: trap"),
            Step::Get("/", "request_headers: shared=k"),
            Step::Get("/", "request_headers: wait, pause"),
            Step::Get("/", "request_headers: trap"),
            Step::Get("/", "request_headers: shared=k"),
            Step::Wait(ms(2_200)),
            Step::Get("/", "request_headers: shared=k"),
        ],
    );
}

#[test]
fn a_stream_idle_timeout() {
    let setup = Setup { idle_timeout: ms(1_000), ..with("") };
    same(setup, &[Step::Get("/", "request_headers: pause; log: code, flags"), Step::Wait(ms(1_300))]);
}

#[test]
fn two_configurations_side_by_side() {
    same(
        waking(),
        &[
            Step::Get("/", "request_headers: pause, set=a~1; log: code"),
            Step::Update("configure: share=b~1"),
            Step::Get("/", "request_headers: shared=b"),
            Step::Get("/", "request_headers: wait, pause"),
            Step::Wait(ms(3_000)),
        ],
    );
}

#[test]
fn own_reply_and_anothers_release_in_one_callback() {
    let waiting = Step::Get("/none", "request_headers: wait, pause");
    same(with(""), &[waiting.clone(), waiting, Step::Get("/", "request_headers: wake, reply=429, wake; log: code")]);
}

#[test]
fn a_reply_to_another_from_the_end_of_one() {
    same(
        with(""),
        &[
            Step::Get("/", "request_headers: wait, pause; log: code"),
            Step::Get("/", "request_headers: wait, pause; log: code"),
            Step::Get("/", "done: refuse_all"),
        ],
    );
}

#[test]
fn a_reply_after_the_response_began() {
    one("response_body: reply=500; log: code, flags");
    one("response_headers: reply=500; log: code, flags");
}

#[test]
fn a_response_that_is_held() {
    one("response_headers: pause; response_body: response_body, pause");
    one("response_headers: pause; response_body: response_body; log: get_response=:status");
    let without_flag = Setup { allow_on_headers_stop_iteration: false, ..with("") };
    same(without_flag, &[Step::Get("/", "response_headers: pause, resume_response; log: code")]);
}

#[test]
fn a_trap_at_each_callback() {
    for event in ["request_headers", "response_headers", "response_body", "log", "done"] {
        let script: &'static str = Box::leak(format!("{event}: trap").into_boxed_str());
        let waiting = Step::Get("/", "request_headers: wait, pause");
        same(with(""), &[waiting, Step::Get("/", script), Step::Leave(0), Step::Get("/", "a: b")]);
    }
}

#[test]
fn a_trap_in_a_tick_after_a_release() {
    same(
        with("configure: tick_every=400; tick: wake, trap"),
        &[Step::Get("/late", "request_headers: wait, pause"), Step::Wait(ms(500)), Step::Get("/", "a: b")],
    );
}

#[test]
fn a_second_resume_and_a_resume_of_what_flows() {
    same(with(""), &[Step::Get("/late", "request_headers: resume, resume, pause; response_headers: resume")]);
    same(with(""), &[Step::Get("/late", "request_headers: wait"), Step::Get("/", "request_headers: wake")]);
}

#[test]
fn a_client_that_leaves_after_the_release() {
    let script = "request_headers: set=a~1; log: code, flags, get=a, get_response=:status";
    same(with(""), &[Step::Get("/late", script), Step::Leave(0)]);
}

#[test]
fn a_body_of_another_stream_read_from_a_queue() {
    same(
        with("configure: register=own; queue: wake"),
        &[
            Step::Post("request_headers: pause; request_body: pause, wait; done: body", &["hello"]),
            Step::Get("/", "request_headers: enqueue=own; done: enqueue=own"),
        ],
    );
}

#[test]
fn a_body_beyond_the_limit() {
    let setup = Setup { body_limit: 1_024, ..with("") };
    let piece: &'static str = Box::leak("x".repeat(600).into_boxed_str());
    let pieces: &'static [&'static str] = Box::leak(Box::new([piece, piece]));
    same(setup, &[Step::Post("request_headers: pause; request_body: pause; log: code, flags", pieces)]);
}

#[test]
fn the_other_failure_policies() {
    for policy in [FailurePolicy::Closed, FailurePolicy::Open] {
        let setup = Setup { policy, idle_timeout: ms(2_000), ..with("") };
        let steps = [
            Step::Wait(ms(1_500)),
            Step::Get("/late", "a: b"),
            Step::Get("/", "request_headers: wait, pause"),
            Step::Get("/", "request_headers: trap"),
            Step::Get("/", "a: b"),
            Step::Wait(ms(2_200)),
            Step::Get("/", "a: b"),
        ];
        same(setup, &steps);
    }
}
