//! VMs: how many, how they die and come back, and two configurations side by side.

use wasm_host::{FailurePolicy, Retire, Role, Thread, What};

use crate::support::{builder, ms, seen, seen_of_requests, ticks, world};

#[test]
fn canary_main_thread_and_workers_are_all_configured_and_the_base_is_not() {
    let world = builder("").workers(3).build().unwrap();
    let configured: Vec<_> = world
        .events()
        .iter()
        .filter(|event| event.what == What::Callback("proxy_on_configure"))
        .map(|event| (event.thread, event.role))
        .collect();
    let workers = (0..3).map(|worker| (Thread::Worker(worker), Role::Local));
    let expected: Vec<_> =
        [(Thread::Main, Role::Canary), (Thread::Main, Role::Local)].into_iter().chain(workers).collect();
    assert_eq!(configured, expected);
}

#[test]
fn a_refused_configuration_at_the_start_is_no_world() {
    assert!(builder("refuse_configuration: x").build().is_err());
}

#[test]
fn a_refused_update_leaves_the_old_configuration_in_force() {
    let world = world("configure: tick_every=10; tick: wake");
    assert!(world.update("refuse_configuration: x", Retire::AfterLastStream).is_err());
    let stream = world.worker(0).request().header("x-script", "request_headers: wait, pause").send();
    world.advance(ms(20));
    assert!(!stream.is_paused());
}

#[test]
fn a_trap_answers_its_own_request_503_and_leaves_the_others_hanging() {
    let world = builder("configure: tick_every=10; tick: wake").timing(|t| t.idle_timeout = ms(2_000)).build().unwrap();
    let script = "request_headers: wait, pause";
    let waiting = world.worker(0).request().header("x-script", script).send();
    let trapping = world.worker(0).request().header("x-script", "request_headers: trap").send();
    assert_eq!(trapping.response().unwrap().status, 503);
    world.advance(ms(1_900));
    assert_eq!(ticks(&world, 0), 0);
    assert!(waiting.is_paused());
    world.advance(ms(200));
    assert_eq!(waiting.response().unwrap().status, 503);
}

#[test]
fn a_dead_vm_comes_back_with_the_first_request_after_the_backoff() {
    let world = builder("configure: share=from~root").build().unwrap();
    world.worker(0).request().send();
    world.worker(0).request().header("x-script", "request_headers: share=k~kept, trap").send();
    world.advance(ms(500));
    assert_eq!(world.worker(0).request().send().response().unwrap().status, 503);
    world.advance(ms(500));
    let stream = world.worker(0).request().header("x-script", "request_headers: shared=k").send();
    assert!(stream.upstream_headers().is_some());
    assert_eq!(stream.context(), 2, "ids begin anew");
    assert_eq!(seen_of_requests(&world).last().unwrap(), "#2 shared -> (0, \"kept\", numbered=true)");
}

#[test]
fn closed_stays_closed_and_open_passes_by() {
    let closed = builder("").failure_policy(FailurePolicy::Closed).build().unwrap();
    closed.worker(0).kill();
    closed.advance(ms(60_000));
    assert_eq!(closed.worker(0).request().send().response().unwrap().status, 503);
    let open = builder("").failure_policy(FailurePolicy::Open).build().unwrap();
    open.worker(0).kill();
    let stream = open.worker(0).request().body("x").send();
    assert!(stream.upstream_complete());
    stream.respond(200, []).body("y");
    assert_eq!(stream.response().unwrap().body, b"y");
    assert!(seen_of_requests(&open).is_empty());
}

#[test]
fn a_forwarded_request_whose_vm_died_is_answered_503() {
    let world = world("");
    let stream = world.worker(0).request().send();
    world.worker(0).kill();
    stream.respond(200, []);
    assert_eq!(stream.response().unwrap().status, 503);
}

#[test]
fn an_update_makes_a_second_root_in_the_same_vm_and_the_old_one_serves_its_streams_to_their_end() {
    let world = world("configure: tick_every=10; tick: wake");
    let old = world.worker(0).request().header("x-script", "request_headers: wait, pause").send();
    world.update("configure: tick_every=0", Retire::AfterLastStream).unwrap();
    assert!(!seen(&world, 0).iter().any(|line| line.ends_with("root_done")));
    world.advance(ms(20));
    assert!(!old.is_paused(), "the old root still ticks");
    let new = world.worker(0).request().header("x-script", "request_headers: pause").send();
    assert_eq!((old.context(), new.context()), (2, 4), "root 1, stream 2, root 3, stream 4");
    old.respond(200, []).body("x");
    assert!(seen(&world, 0).ends_with(&["#2 delete".to_owned(), "#1 root_done".to_owned()]));
}

#[test]
fn a_draining_listener_cuts_what_is_left_when_its_time_is_over() {
    let world = world("a: x");
    let stream = world.worker(0).request().header("x-script", "request_headers: pause").send();
    world.update("b: x", Retire::After(ms(5_000))).unwrap();
    world.advance(ms(4_999));
    assert!(stream.is_paused());
    world.advance(ms(1));
    assert!(stream.is_ended() && stream.response().is_none());
    assert!(seen(&world, 0).contains(&"#1 root_done".to_owned()));
}

#[test]
fn two_seeds_order_simultaneous_events_differently_and_one_seed_always_the_same() {
    let order = |seed| {
        let world = builder("configure: tick_every=10; tick: share=a~1").workers(4).seed(seed).build().unwrap();
        world.advance(ms(100));
        let of_ticks = world.events().into_iter().filter(|event| event.what == What::Callback("proxy_on_tick"));
        of_ticks.map(|event| event.thread).collect::<Vec<_>>()
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}
