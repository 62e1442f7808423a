//! Two gateways before the same pods, which meet in one Redis: each a proxy of its own, their clocks side by side.

use serde_json::Value;
use wasm_host::{Stream, World};

use crate::support::{Gateway, Redis, Sent, all_leave, builder, filter, ms, on_pods, s};

/// Time by which one gateway gets ahead of the other.
const STEP_MS: u64 = 5;

struct Two {
    redis: Redis,
    worlds: [World; 2],
}

// === impl Two ===

impl Two {
    /// Gateways of two workers before so many pods, after they have met.
    fn new(pods: usize, fit: u32) -> Self {
        let mut config = filter(pods, fit);
        config["replicas"] = Redis::replicas(2);
        let redis = Redis::default();
        let worlds = [1, 2].map(|seed| redis.serve(builder(&config).workers(2).seed(seed)).build().unwrap());
        let two = Self { redis, worlds };
        two.advance(500);
        assert_eq!(two.replicas(), [2, 2]);
        two
    }

    fn advance(&self, milliseconds: u64) {
        for _ in 0..milliseconds / STEP_MS {
            self.worlds.iter().for_each(|world| world.advance(ms(STEP_MS)));
        }
    }

    /// So many requests to each, turn by turn and worker by worker.
    fn ask(&self, count: usize) -> [Vec<Stream>; 2] {
        let mut streams = [Vec::new(), Vec::new()];
        for number in 0..count {
            for (world, streams) in self.worlds.iter().zip(&mut streams) {
                streams.push(world.ask(number % 2));
            }
        }
        streams
    }

    /// Returns the number of gateways that each reports, itself included.
    fn replicas(&self) -> [u64; 2] {
        // The gauge is told once in a while.
        self.advance(300);
        [0, 1].map(|world| self.gauge(world).unwrap_or_default())
    }

    fn gauge(&self, world: usize) -> Option<u64> {
        self.worlds[world].gauge("slo_router.replicas_pool=test_")
    }

    fn assert_idle(&self) {
        self.advance(3_000);
        self.worlds.iter().for_each(World::assert_idle);
    }
}

fn running(streams: &[Stream]) -> usize {
    streams.iter().filter(|stream| stream.is_running()).count()
}

#[test]
fn room_that_one_took_is_not_the_others_until_it_is_free() {
    let two = Two::new(1, 1);
    let runs = two.worlds[0].ask(0);
    assert!(runs.is_running());
    two.advance(200);
    let waits = two.worlds[1].ask(1);
    two.advance(5_000);
    assert!(waits.is_paused(), "the pod is full with the other one's request");
    runs.finish();
    two.advance(400);
    assert!(waits.is_running());
    waits.finish();
    two.assert_idle();
}

#[test]
fn of_room_that_both_see_each_takes_its_share() {
    let two = Two::new(3, 4);
    let [first, second] = two.ask(12);
    assert_eq!([running(&first), running(&second)], [6, 6], "half of each pod");
    two.advance(2_000);
    let all: Vec<Stream> = first.into_iter().chain(second).collect();
    let counts = on_pods(&all);
    assert_eq!(counts.values().collect::<Vec<_>>(), [&4; 3]);
    all_leave(all.iter().rev());
    two.assert_idle();
}

#[test]
fn where_only_one_is_busy_it_gets_all_of_the_pods() {
    let two = Two::new(2, 4);
    let streams: Vec<Stream> = (0..12).map(|number| two.worlds[0].ask(number % 2)).collect();
    assert_eq!(running(&streams), 4);
    two.advance(2_000);
    assert_eq!(running(&streams), 8);
    all_leave(streams.iter().rev());
    two.assert_idle();
}

#[test]
fn what_a_dead_gateway_ran_is_given_up_after_two_seconds() {
    let two = Two::new(1, 1);
    let _runs = two.worlds[0].ask(0);
    two.advance(200);
    let waits = two.worlds[1].ask(0);
    let survivor = &two.worlds[1];
    // The other one's clock stands still.
    survivor.advance(ms(1_800));
    assert!(waits.is_paused());
    survivor.advance(ms(800));
    assert!(waits.is_running());
    survivor.advance(ms(300));
    assert_eq!(two.gauge(1), Some(1));
    waits.finish();
    survivor.assert_idle();
}

/// The lines that say that a gateway keeps to its share.
fn share_lines(world: &World) -> Vec<String> {
    world.complaints().into_iter().filter(|line| line.contains("keeps to its share of the pods, 1/2")).collect()
}

#[test]
fn without_the_store_each_keeps_to_its_share_and_says_so_once() {
    let two = Two::new(1, 4);
    two.redis.set_away(true);
    two.advance(2_500);
    assert_eq!(two.replicas(), [0, 0]);
    let [first, second] = two.ask(6);
    two.advance(5_000);
    assert_eq!([running(&first), running(&second)], [2, 2]);
    for world in &two.worlds {
        assert_eq!(share_lines(world).len(), 1, "{:#?}", world.complaints());
    }

    two.redis.set_away(false);
    two.advance(500);
    assert_eq!(two.replicas(), [2, 2]);
    all_leave(first.iter().rev());
    two.advance(1_000);
    assert_eq!(running(&second), 4, "all of the pod, once it is known that nobody else uses it");
    all_leave(second.iter().rev());
    two.assert_idle();
}

#[test]
fn before_it_ever_met_another_a_gateway_takes_the_share_of_those_that_are_expected() {
    let mut config: Value = filter(1, 4);
    config["replicas"] = Redis::replicas(2);
    let redis = Redis::default();
    redis.set_away(true);
    let world = redis.serve(builder(&config)).build().unwrap();
    world.advance(s(1));
    let streams: Vec<Stream> = (0..6).map(|_| world.ask(0)).collect();
    world.advance(s(1));
    assert_eq!(running(&streams), 2);
    all_leave(streams.iter().rev());
    world.assert_idle();
}
