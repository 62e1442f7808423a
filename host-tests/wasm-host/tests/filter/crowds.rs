//! Hundreds at once. What follows from a release or a refusal runs nested on Envoy's one stack, which overflows at some
//! 250; the host's VM dies there as well.

use serde_json::json;
use wasm_host::{Forwarded, Route, Stream, What, World};

use crate::support::{Gateway, Sent, builder, filter, ms, s, with_large};

const CROWDS: [usize; 2] = [300, 2_000];

/// One pod that `blocker` fills alone, and many that wait for it; each of those takes as good as nothing. What becomes of
/// the released is `route`.
fn crowd(size: usize, fit: u32, workers: usize, route: fn() -> Route) -> (World, Stream, Vec<Stream>) {
    let mut config = with_large(fit);
    config["queue"] = json!({ "max_wait": "5s" });
    let upstream = move |request: &Forwarded<'_>| match request.headers.get("x-blocker") {
        Some(_) => Route::Manual,
        None => route(),
    };
    let world = builder(&config).workers(workers).upstream(upstream).build().unwrap();
    let blocker = world.worker(0).request().to("POST", "/v1/chat/completions").header("x-blocker", "1");
    let blocker = blocker.body(r#"{"model": "large", "messages": []}"#).send();
    assert!(blocker.is_running());
    let waiting: Vec<Stream> = (0..size).map(|index| world.ask(index % workers)).collect();
    assert!(waiting.iter().all(Stream::is_paused));
    (world, blocker, waiting)
}

/// Each stream ended once, with this status.
fn assert_all_ended(world: &World, streams: &[Stream], status: u16) {
    assert!(streams.iter().all(|stream| stream.status() == Some(status) && stream.is_ended()));
    let ends = world.events().iter().filter(|event| event.what == What::Ended(Some(status))).count();
    assert_eq!(ends, streams.len());
}

#[test]
fn all_that_waited_too_long_are_refused_together() {
    for size in CROWDS {
        for workers in [1, 4] {
            let (world, blocker, waiting) = crowd(size, 4_000, workers, || Route::Manual);
            world.advance(ms(4_900));
            assert!(waiting.iter().all(Stream::is_paused));
            world.advance(ms(150));
            assert_all_ended(&world, &waiting, 429);
            assert_eq!(world.count("refused_total", "_reason=waited-too-long_"), size as u64);
            blocker.finish();
            world.assert_idle();
        }
    }
}

#[test]
fn all_that_fit_are_released_together() {
    for size in CROWDS {
        for workers in [1, 4] {
            let (world, blocker, waiting) = crowd(size, 4_000, workers, || Route::Manual);
            blocker.finish();
            world.advance(ms(20));
            assert!(waiting.iter().all(Sent::is_running));
            waiting.iter().for_each(Sent::finish);
            world.assert_idle();
        }
    }
}

#[test]
fn all_that_are_released_onto_no_healthy_host_get_503() {
    for size in CROWDS {
        let (world, blocker, waiting) = crowd(size, 4_000, 1, || Route::NoHealthyUpstream);
        blocker.finish();
        world.advance(ms(20));
        assert_all_ended(&world, &waiting, 503);
        world.assert_idle();
    }
}

/// Each release fails at once and so makes room for the next.
#[test]
fn a_chain_of_releases_that_fail_at_once_runs_to_its_end() {
    for workers in [1, 3] {
        for size in CROWDS {
            let (world, blocker, waiting) = crowd(size, 1, workers, || Route::NoHealthyUpstream);
            blocker.finish();
            world.advance(s(1));
            assert_all_ended(&world, &waiting, 503);
            world.assert_idle();
        }
    }
}

#[test]
fn a_crowd_that_arrives_onto_no_healthy_host_gets_503() {
    let world = builder(&filter(1, 1)).upstream(|_| Route::NoHealthyUpstream).build().unwrap();
    let streams: Vec<Stream> = (0..2_000).map(|_| world.ask(0)).collect();
    assert_all_ended(&world, &streams, 503);
    world.assert_idle();
}

#[test]
fn a_crowd_whose_clients_all_leave_leaves_nothing() {
    let (world, blocker, waiting) = crowd(2_000, 4_000, 2, || Route::Manual);
    for stream in &waiting {
        stream.client_reset();
    }
    blocker.finish();
    world.settle();
    assert!(waiting.iter().all(|stream| stream.upstream_headers().is_none()));
    world.assert_idle();
}
