//! Pods that fail: out for a second, doubling to half a minute, then probed by one request.

mod streams;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use wasm_host::{Headers, Route, Stream, UpstreamEvent, World};

use crate::support::{Gateway, Sent, Shared, address, all_leave, builder, filter, ms, s};

/// The pods that fail; tests change it.
type Failing = Rc<RefCell<BTreeSet<String>>>;

/// Pods of which some answer 503 at once and the others 200; the times at which each of the failing was asked.
fn pods(count: usize, workers: usize, failing: &[usize]) -> (World, Failing, Rc<RefCell<Vec<Duration>>>) {
    let failing: Failing = Rc::new(RefCell::new(failing.iter().map(|pod| address(*pod)).collect()));
    let asked = Rc::new(RefCell::new(Vec::new()));
    let (fails, times) = (Rc::clone(&failing), Rc::clone(&asked));
    let upstream = move |request: &wasm_host::Forwarded<'_>| {
        let pod = request.headers.get("x-gateway-destination-endpoint").unwrap();
        let status = if fails.borrow().contains(pod) {
            times.borrow_mut().push(request.at);
            "503"
        } else {
            "200"
        };
        let headers = Headers::from([(":status", status)]);
        Route::Script(vec![(ms(1), UpstreamEvent::Headers(headers, true))])
    };
    let world = builder(&filter(count, 100)).workers(workers).upstream(upstream).build().unwrap();
    (world, failing, asked)
}

/// One request each 20 ms, on all workers in turn.
fn trickle(world: &World, workers: usize, time: Duration) -> Vec<Stream> {
    let count = time.as_millis() / 20;
    let ask = |number: u128| {
        let stream = world.ask(number as usize % workers);
        world.advance(ms(20));
        stream
    };
    (0..count).map(ask).collect()
}

#[test]
fn a_failing_pod_is_out_for_a_second_doubling_to_half_a_minute() {
    for workers in [1, 4] {
        let (world, _failing, asked) = pods(3, workers, &[0]);
        trickle(&world, workers, s(130));
        let times = asked.borrow().clone();
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
        // One request of each time is the probe, and it is the next one to come.
        let expected = [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0];
        assert_eq!(gaps.len(), expected.len(), "{workers} workers: {gaps:?}");
        for (gap, expected) in gaps.iter().zip(expected) {
            assert!((expected..expected + 0.3).contains(gap), "{workers} workers: {gaps:?}");
        }
        world.assert_idle();
    }
}

#[test]
fn a_probe_that_succeeds_brings_the_pod_back_for_all_workers() {
    let (world, failing, asked) = pods(2, 4, &[0]);
    trickle(&world, 4, ms(500));
    failing.borrow_mut().clear();
    trickle(&world, 4, s(1));
    let streams = trickle(&world, 4, s(2));
    for worker in 0..4 {
        let on_first = streams.iter().skip(worker).step_by(4).filter(|stream| stream.pod() == Some(address(0))).count();
        assert!(on_first > 4, "worker {worker}");
    }
    assert_eq!(asked.borrow().len(), 1);
    assert!(Shared(&world).failing().is_empty());
    // Once it was well again, its next failure is a first one.
    failing.borrow_mut().insert(address(0));
    trickle(&world, 4, ms(1_500));
    let times = asked.borrow().clone();
    assert!((ms(1_000)..ms(1_300)).contains(&(times[2] - times[1])), "{times:?}");
    world.assert_idle();
}

#[test]
fn never_more_than_half_of_the_pool_is_out() {
    for (count, most) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)] {
        let (world, ..) = pods(count, 2, &[0, 1, 2, 3, 4]);
        for _ in 0..20 {
            let streams = trickle(&world, 2, ms(100));
            assert!(streams.iter().all(|stream| stream.status() == Some(503)), "the pods' own answers");
            let failing = Shared(&world).failing().len();
            assert!(failing <= most, "{failing} of {count}");
        }
        assert_eq!(Shared(&world).failing().len(), most);
        world.assert_idle();
        assert_eq!(world.gauge("slo_router.pods_failing_pool=test_"), Some(most as u64));
    }
}

/// Two pods that the test answers itself; the first has failed, and its time out is over.
fn one_to_be_probed() -> World {
    let world = builder(&filter(2, 2)).workers(2).build().unwrap();
    loop {
        let stream = world.ask(0);
        if stream.pod() == Some(address(0)) {
            stream.upstream_reset();
            break;
        }
        stream.finish();
    }
    let out = world.ask(0);
    assert_eq!(out.pod(), Some(address(1)));
    out.finish();
    world.advance(ms(1_050));
    world
}

/// Fills what there is room for, over both workers.
fn fill(world: &World) -> Vec<Stream> {
    (0..6).map(|index| world.ask(index % 2)).collect()
}

fn on_first(streams: &[Stream]) -> Vec<Stream> {
    streams.iter().filter(|stream| stream.is_running() && stream.pod() == Some(address(0))).cloned().collect()
}

#[test]
fn a_pod_is_probed_by_one_request_of_all_workers() {
    let world = one_to_be_probed();
    let streams = fill(&world);
    let probes = on_first(&streams);
    assert_eq!(probes.len(), 1);
    world.advance(s(5));
    assert_eq!(on_first(&streams).len(), 1, "its outcome is awaited");
    probes[0].finish();
    world.settle();
    assert_eq!(on_first(&streams).len(), 2, "it takes what it has room for");
    all_leave(&streams);
    world.assert_idle();
}

#[test]
fn a_probe_whose_client_leaves_is_made_again() {
    let world = one_to_be_probed();
    let streams = fill(&world);
    on_first(&streams)[0].client_reset();
    world.settle();
    assert_eq!(on_first(&streams).len(), 1, "another one probes");
    assert_eq!(Shared(&world).failing().len(), 1);
    on_first(&streams)[0].finish();
    assert!(Shared(&world).failing().is_empty());
    all_leave(&streams);
    world.assert_idle();
}

#[test]
fn a_probe_that_died_with_its_vm_is_made_again_after_half_a_minute() {
    let world = one_to_be_probed();
    let probe = loop {
        let stream = world.ask(1);
        if stream.pod() == Some(address(0)) {
            break stream;
        }
        stream.finish();
    };
    assert!(probe.is_running());
    world.worker(1).kill();
    world.advance(s(29));
    let streams: Vec<Stream> = (0..4).map(|_| world.ask(0)).collect();
    assert_eq!(on_first(&streams).len(), 0);
    world.advance(s(2));
    assert_eq!(on_first(&streams).len(), 1);
    all_leave(&streams);
    world.assert_idle();
}

#[test]
fn what_waits_goes_to_a_pod_that_comes_back_within_a_tick() {
    let world = builder(&filter(2, 1)).workers(2).build().unwrap();
    let streams: Vec<Stream> = (0..4).map(|index| world.ask(index % 2)).collect();
    let failed = streams.iter().find(|stream| stream.pod() == Some(address(0))).unwrap();
    failed.upstream_reset();
    world.advance(ms(990));
    assert_eq!(on_first(&streams).len(), 0);
    world.advance(ms(30));
    assert_eq!(on_first(&streams).len(), 1);
    all_leave(&streams);
    world.assert_idle();
}

#[test]
fn answers_that_are_the_clients_fault_and_clients_that_leave_are_no_failures() {
    let world = builder(&filter(2, 2)).build().unwrap();
    for status in [400, 404, 413, 422, 501] {
        for _ in 0..6 {
            world.ask(0).respond(status, []).body("");
        }
    }
    world.ask(0).client_reset();
    world.ask(0).respond(200, []).chunk("x").upstream_reset();
    assert!(Shared(&world).failing().is_empty());
    for status in [500, 502, 503] {
        world.ask(0).respond(status, []).body("");
    }
    assert_eq!(Shared(&world).failing().len(), 1);
    world.assert_idle();
}

/// Sends requests of which the first pod's are answered as `answer` does, until so many went there or it is out.
fn asked_of_first(world: &World, most: usize, answer: impl Fn(&Stream)) -> usize {
    let mut asked = 0;
    for _ in 0..60 {
        let stream = world.ask(0);
        if stream.pod() == Some(address(0)) {
            asked += 1;
            answer(&stream);
            if asked == most || !Shared(world).failing().is_empty() {
                break;
            }
        } else {
            stream.finish();
        }
    }
    asked
}

#[test]
fn a_pod_without_room_gets_nothing_for_as_long_as_it_says() {
    for (status, header, time) in [
        (429, ("x", ""), ms(1_000)),
        (529, ("x", ""), ms(1_000)),
        (429, ("retry-after", "3"), ms(3_000)),
        (429, ("retry-after-ms", "200"), ms(200)),
        (429, ("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT"), ms(1_000)),
    ] {
        let world = builder(&filter(2, 2)).build().unwrap();
        asked_of_first(&world, 1, |stream| {
            stream.respond(status, [header]).body("");
        });
        let start = world.now();
        while world.now() - start < time - ms(25) {
            let stream = world.ask(0);
            assert_eq!(stream.pod(), Some(address(1)), "{header:?}, after {:?}", world.now() - start);
            stream.finish();
            world.advance(ms(20));
        }
        world.advance(ms(50));
        assert_eq!(asked_of_first(&world, 1, |stream| stream.finish()), 1, "{header:?}");
        assert!(Shared(&world).failing().is_empty());
        world.assert_idle();
    }
}

#[test]
fn a_pod_that_has_not_got_a_model_is_not_asked_for_it() {
    for (body, out) in [
        ("{\"error\":{\"message\":\"The model `m` does not exist.\",\"type\":\"NotFoundError\",\"code\":404}}", true),
        ("", true),
        ("{\"detail\":\"Not Found\"}", false),
        ("{\"error\":{\"code\":404,\"message\":\"File Not Found\",\"type\":\"not_found_error\"}}", false),
    ] {
        let world = builder(&filter(2, 2)).build().unwrap();
        let answer = |stream: &Stream| {
            stream.respond(404, [("content-type", "application/json")]).body(body);
        };
        asked_of_first(&world, 1, answer);
        assert_eq!(asked_of_first(&world, 1, answer) == 0, out, "{body}");
        assert!(Shared(&world).failing().is_empty(), "it is well");
        world.advance(ms(1_050));
        assert_eq!(asked_of_first(&world, 1, answer), 1, "{body}");
        world.assert_idle();
    }
}

#[test]
fn a_pod_that_never_answers_is_out_once_clients_left_it() {
    let world = builder(&filter(2, 8)).build().unwrap();
    let streams: Vec<Stream> = (0..8).map(|_| world.ask(0)).collect();
    let (silent, others): (Vec<&Stream>, Vec<&Stream>) =
        streams.iter().partition(|stream| stream.pod() == Some(address(0)));
    assert!(silent.len() >= 3);
    world.advance(s(1));
    others.iter().for_each(|stream| stream.finish());
    world.advance(s(1));
    silent.iter().for_each(|stream| {
        stream.client_reset();
    });
    assert_eq!(Shared(&world).failing().len(), 1);
    world.assert_idle();
}

#[test]
fn a_reset_of_a_connection_that_was_used_before_is_no_failure() {
    let world = builder(&filter(2, 2)).build().unwrap();
    asked_of_first(&world, 1, |stream| stream.finish());
    asked_of_first(&world, 1, |stream| {
        stream.upstream_reset();
    });
    assert!(Shared(&world).failing().is_empty(), "the pod may have been closing it");
    asked_of_first(&world, 1, |stream| {
        stream.upstream_reset();
    });
    assert_eq!(Shared(&world).failing().len(), 1, "this one was new");
    world.assert_idle();
}
