//! Several workers share the pods: none is filled above its capacity, and the most urgent goes first, wherever it waits.

use wasm_host::{NotificationFault, Stream, World};

use crate::support::{
    Gateway, Sent, Shared, address, all_leave, builder, drain, filter, fullest, ms, on_pods, s, world,
};
use slo_router::scheduling::load::Load;

const SEEDS: u64 = 50;

/// Requests come, end and are broken off at random; after each event no pod has more than fits, and what the VMs have
/// published is what runs.
fn never_above_capacity(workers: usize, seed: u64) {
    const FIT: u32 = 3;
    let mut random = fastrand::Rng::with_seed(seed);
    let world = builder(&filter(2, FIT)).workers(workers).seed(seed).build().unwrap();
    let mut streams: Vec<Stream> = Vec::new();
    for _ in 0..80 {
        let running: Vec<&Stream> = streams.iter().filter(|stream| stream.is_running()).collect();
        match random.u32(..10) {
            0..4 => streams.push(world.ask(random.usize(..workers))),
            4..7 if !running.is_empty() => running[random.usize(..running.len())].finish(),
            7 if !streams.is_empty() => all_leave([&streams[random.usize(..streams.len())]]),
            _ => world.advance(ms(random.u64(..3))),
        }
        let on_pods = on_pods(&streams);
        assert!(on_pods.values().all(|count| *count <= FIT), "{on_pods:?}");
        assert!(fullest(&world) <= Load::CAPACITY);
        assert_eq!(Shared(&world).in_flight(), on_pods.values().sum::<u32>());
    }
    drain(&world, &streams);
    world.assert_idle();
}

#[test]
fn no_pod_is_filled_above_its_capacity() {
    for workers in [2, 4, 8] {
        (0..SEEDS).for_each(|seed| never_above_capacity(workers, seed));
    }
}

/// Requests of which each has seconds less than the next; they arrive in another order.
fn by_urgency(world: &World, workers: usize, count: usize) -> Vec<Stream> {
    let mut streams: Vec<(usize, Stream)> = (0..count)
        .map(|number| number * 5 % count)
        .map(|place| (place, world.ask_within(place % workers, 30_000 + 2_000 * place as u64)))
        .collect();
    streams.sort_by_key(|(place, _)| *place);
    streams.into_iter().map(|(_, stream)| stream).collect()
}

/// Sees that they run one after the other, in this order, and that the pod is never idle.
fn assert_run_in_order(world: &World, first: &Stream, streams: &[Stream], within_ms: u64) {
    let mut previous = first;
    for (place, next) in streams.iter().enumerate() {
        previous.finish();
        world.run_until(ms(within_ms), || streams.iter().any(Sent::is_running));
        let running: Vec<usize> = (0..streams.len()).filter(|index| streams[*index].is_running()).collect();
        assert_eq!(running, [place]);
        previous = next;
    }
    previous.finish();
}

fn most_urgent_first(workers: usize, seed: u64) {
    let world = builder(&filter(1, 1)).workers(workers).seed(seed).build().unwrap();
    let first = world.ask(0);
    let streams = by_urgency(&world, workers, 12);
    assert_run_in_order(&world, &first, &streams, 1);
    world.assert_idle();
}

#[test]
fn the_most_urgent_of_all_workers_goes_first() {
    for workers in [2, 4, 8] {
        (0..SEEDS).for_each(|seed| most_urgent_first(workers, seed));
    }
}

#[test]
fn the_most_urgent_goes_first_though_messages_come_twice() {
    let world = builder(&filter(1, 1)).workers(4).build().unwrap();
    world.fault_notifications(NotificationFault::Doubled, usize::MAX);
    let first = world.ask(0);
    let streams = by_urgency(&world, 4, 12);
    assert_run_in_order(&world, &first, &streams, 1);
    world.assert_idle();
}

#[test]
fn the_most_urgent_goes_first_though_messages_take_two_milliseconds() {
    let world = builder(&filter(1, 1)).workers(4).timing(|timing| timing.queue_delay = ms(2)).build().unwrap();
    let first = world.ask(0);
    let streams = by_urgency(&world, 4, 12);
    assert_run_in_order(&world, &first, &streams, 8);
    world.assert_idle();
}

/// Without any message, or with messages that come when nobody expects them any more, ticks do all the work: each takes
/// 12 ms at most.
fn ticks_make_up_for_messages(world: &World) {
    let first = world.ask(0);
    let streams = by_urgency(world, 4, 12);
    let all: Vec<Stream> = std::iter::once(first).chain(streams).collect();
    for _ in 0..all.len() {
        assert_eq!(all.iter().filter(|stream| stream.is_running()).count(), 1);
        all.iter().filter(|stream| stream.is_running()).for_each(Sent::finish);
        world.advance(ms(30));
    }
    assert!(all.iter().all(Stream::is_ended));
    world.assert_idle();
}

#[test]
fn lost_messages_cost_a_tick_and_no_more() {
    for seed in 0..10 {
        let world = builder(&filter(1, 1)).workers(4).seed(seed).build().unwrap();
        world.fault_notifications(NotificationFault::Lost, usize::MAX);
        ticks_make_up_for_messages(&world);
    }
}

#[test]
fn late_messages_cost_a_tick_and_no_more() {
    for seed in 0..10 {
        let world = builder(&filter(1, 1)).workers(4).seed(seed).timing(|t| t.queue_delay = ms(80)).build().unwrap();
        ticks_make_up_for_messages(&world);
    }
}

#[test]
fn all_of_a_crowd_over_eight_workers_are_served() {
    for seed in 0..5 {
        let world = builder(&filter(4, 2)).workers(8).seed(seed).build().unwrap();
        let streams: Vec<Stream> = (0..100).map(|index| world.ask(index % 8)).collect();
        for served in 0..100_usize {
            // Nothing that fits waits.
            let running = streams.iter().filter(|stream| stream.is_running()).count();
            assert_eq!(running, 8.min(100 - served), "seed {seed}");
            streams.iter().find(|stream| stream.is_running()).unwrap().finish();
            world.settle();
        }
        world.assert_idle();
    }
}

#[test]
fn a_pass_that_releases_another_before_the_arrival_that_began_it_keeps_them_apart() {
    let world = world(&filter(2, 1), 1);
    let running = [world.ask(0), world.ask(0)];
    let waits = world.ask(0);
    world.fault_notifications(NotificationFault::Lost, 2);
    running.iter().for_each(Sent::finish);
    let arrives = world.ask(0);
    let mut pods = [waits.pod(), arrives.pod()];
    pods.sort();
    assert_eq!(pods, [0, 1].map(|pod| Some(address(pod))));
}

// === a worker that stalls ===

/// Worker 1 has the most urgent request and does not move; worker 0 has one that waits for the same pod, and `runs` on it.
fn a_stalled_worker_claims() -> (World, Stream, Stream, Stream) {
    let world = world(&filter(1, 1), 2);
    let runs = world.ask(0);
    let claims = world.ask_within(1, 20_000);
    let waits = world.ask(0);
    world.worker(1).stall(s(60));
    (world, runs, claims, waits)
}

#[test]
fn a_stalled_worker_is_given_way_for_five_milliseconds_and_no_more() {
    let (world, runs, claims, waits) = a_stalled_worker_claims();
    runs.finish();
    world.settle();
    // The stalled one was woken; a fresh arrival gives way to it, for a while.
    let fresh = world.ask(0);
    assert!(fresh.is_paused() && waits.is_paused());
    world.advance(ms(5));
    let fresh = [fresh, world.ask(0)];
    let running = [&waits, &fresh[0], &fresh[1], &claims].map(Sent::is_running);
    assert_eq!(running, [true, false, false, false]);
}

#[test]
fn a_stalled_worker_costs_others_a_tick_and_no_more() {
    let (world, runs, _claims, waits) = a_stalled_worker_claims();
    runs.finish();
    world.advance(ms(17));
    assert!(waits.is_running());
    // It is not given way again and again.
    for _ in 0..20 {
        let next = world.ask(0);
        waits.finish();
        world.advance(ms(17));
        assert!(next.is_running());
        next.finish();
        world.advance(ms(17));
    }
}

#[test]
fn a_worker_that_stalled_for_long_is_counted_again() {
    let world = world(&filter(1, 1), 2);
    let runs = world.ask(1);
    world.ask(0).client_reset();
    world.worker(1).stall(s(5));
    world.advance(ms(1_700));
    assert_eq!((Shared(&world).seats().len(), Shared(&world).in_flight()), (2, 1));
    world.advance(ms(700));
    assert_eq!((Shared(&world).seats().len(), Shared(&world).in_flight()), (1, 0), "taken for dead");
    world.advance(ms(3_000));
    assert_eq!((Shared(&world).seats().len(), Shared(&world).in_flight()), (2, 1), "published again");
    let waits = world.ask(0);
    assert!(waits.is_paused());
    runs.finish();
    world.settle();
    assert!(waits.is_running());
    waits.finish();
    world.assert_idle();
}

#[test]
fn a_worker_that_stalled_takes_up_its_queue() {
    let (world, runs, claims, waits) = a_stalled_worker_claims();
    waits.client_reset();
    runs.finish();
    world.advance(s(59));
    assert!(claims.is_paused());
    world.advance(s(2));
    // It waited a minute, the longest that one may.
    assert!(claims.is_running() || claims.status() == Some(429));
}
