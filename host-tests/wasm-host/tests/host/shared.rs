//! Shared data, queues, metrics, ticks.

use wasm_host::{NotificationFault, Thread, What};

use crate::support::{builder, ms, seen, seen_of_requests, ticks, world};

#[test]
fn a_compare_and_swap_on_a_missing_key_creates_it() {
    let world = world("");
    let script = "request_headers: shared=k, share_at_77=k~1, shared=k, share_at_77=k~2, share_again=k~3, shared=k";
    world.worker(0).request().header("x-script", script).send();
    assert_eq!(
        seen_of_requests(&world)[1..],
        [
            "#2 shared -> (1, \"\", numbered=false)",
            "#2 share_at_77 -> 0",
            "#2 shared -> (0, \"1\", numbered=true)",
            "#2 share_at_77 -> 8",
            "#2 share_again -> 0",
            "#2 shared -> (0, \"3\", numbered=true)"
        ]
    );
}

#[test]
fn an_empty_value_stays_a_key_with_a_number() {
    let world = world("");
    world.worker(0).request().header("x-script", "request_headers: share=k~, shared=k").send();
    assert_eq!(seen_of_requests(&world)[2], "#2 shared -> (0, \"\", numbered=true)");
}

#[test]
fn a_queue_wakes_its_root_later_on_a_flat_stack() {
    let world = world("configure: register=own; queue: dequeue=own, dequeue=own, wake");
    let waiting = world.worker(0).request().header("x-script", "request_headers: wait, pause").send();
    let script = "request_headers: x; done: enqueue=own";
    let other = world.worker(0).request().header("x-script", script).send();
    other.respond(200, []).end();
    assert!(waiting.is_paused());
    world.advance(ms(1));
    assert!(!waiting.is_paused());
    let lines = seen_of_requests(&world);
    let queue = lines.iter().position(|line| line == "#1 queue_ready").unwrap();
    assert_eq!(
        lines[queue..],
        [
            "#1 queue_ready",
            "#1 dequeue -> (0, \"look\")",
            "#1 dequeue -> (7, \"\")",
            "#1 wake #2 -> 0 set 0 resume 0 set after resume 2"
        ]
    );
}

#[test]
fn every_enqueue_is_one_notification_to_the_last_registrant() {
    let world = builder("configure: register=common; queue: x").workers(2).build().unwrap();
    let script = "request_headers: enqueue=common, enqueue=common";
    world.worker(0).request().header("x-script", script).send();
    world.advance(ms(1));
    let ready = |worker| seen(&world, worker).iter().filter(|line| line.ends_with("queue_ready")).count();
    assert_eq!((ready(0), ready(1)), (0, 2));
}

#[test]
fn a_queue_that_a_stream_registers_is_its_roots() {
    let world = world("");
    world.worker(0).request().header("x-script", "request_headers: register=own, enqueue=own").send();
    world.advance(ms(1));
    assert_eq!(seen_of_requests(&world).last().unwrap(), "#1 queue_ready");
}

#[test]
fn an_unknown_queue_is_not_found() {
    let world = world("");
    world
        .worker(0)
        .request()
        .header("x-script", "request_headers: enqueue_unknown, enqueue=nobody, dequeue=nobody")
        .send();
    assert_eq!(
        seen_of_requests(&world)[1..],
        ["#2 enqueue_unknown -> 1", "#2 enqueue -> resolve 1", "#2 dequeue -> (1, \"\")"]
    );
}

fn notified_and_dequeued(fault: NotificationFault) -> (usize, usize) {
    let world = world("configure: register=own; queue: dequeue=own, dequeue=own");
    world.fault_notifications(fault, 1);
    for _ in 0..2 {
        world.worker(0).request().header("x-script", "request_headers: enqueue=own").send();
        world.advance(ms(1));
    }
    let count = |end: &str| seen_of_requests(&world).iter().filter(|line| line.ends_with(end)).count();
    (count("queue_ready"), count("(0, \"look\")"))
}

#[test]
fn a_lost_or_doubled_notification_leaves_the_messages_as_they_are() {
    assert_eq!(notified_and_dequeued(NotificationFault::Lost), (1, 2));
    assert_eq!(notified_and_dequeued(NotificationFault::Doubled), (3, 2));
}

#[test]
fn metrics_are_common_to_all_vms() {
    let world = builder("").workers(2).build().unwrap();
    for worker in 0..2 {
        world.worker(worker).request().header("x-script", "request_headers: count=c, gauge=g, count_unknown").send();
    }
    assert_eq!((world.counter("c"), world.gauge("g")), (Some(4), Some(2)));
    assert_eq!(
        seen_of_requests(&world)[1..],
        ["#2 count -> 0 0 2 (0, 2)", "#2 gauge -> 0 0 0 (0, 1)", "#2 count_unknown -> 1 1"]
    );
}

#[test]
fn ticks_come_late_by_the_lag_and_stop_at_zero() {
    let world = world("configure: tick_every=5; tick: share=t~1");
    world.advance(ms(6));
    assert_eq!(ticks(&world, 0), 0);
    world.advance(ms(64));
    assert_eq!(ticks(&world, 0), 10);
    world.worker(0).request().header("x-script", "request_headers: tick_every=0").send();
    world.advance(ms(100));
    assert_eq!(ticks(&world, 0), 10);
}

#[test]
fn the_main_thread_ticks_too() {
    let world = world("configure: tick_every=5; tick: share=t~1");
    world.advance(ms(10));
    assert!(world.events().iter().any(|e| e.thread == Thread::Main && e.what == What::Callback("proxy_on_tick")));
}

#[test]
fn a_stalled_worker_catches_up_afterwards_while_others_go_on() {
    let world = builder("configure: tick_every=8; tick: x").workers(2).build().unwrap();
    world.worker(0).stall(ms(50));
    world.advance(ms(49));
    assert_eq!((ticks(&world, 0), ticks(&world, 1)), (0, 4));
    world.advance(ms(1));
    assert_eq!(ticks(&world, 0), 1);
}
