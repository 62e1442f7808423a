//! Behaviour of several VMs together.

mod draining;

use std::rc::Rc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::world::{Fate, TICK, World, settings, well};
use crate::dispatcher::{End, RefusalReason, Settings};
use crate::scheduling::pool::Pool;
use crate::scheduling::profile::Profile;
use crate::scheduling::testing::{pool, profile, urgent};
use crate::shared::membership::{DEAD_AFTER, HEARTBEAT};

/// A request of shape 0 takes a tenth of a pod, of shape 1 all of it.
fn tenth_or_all() -> Profile {
    profile(&[(0.1, 1.0), (1.0, 1.0)], 10.0)
}

fn pods(count: u8) -> Pool {
    pool(&[("a", count, Some(tenth_or_all()))])
}

fn world(vms: usize, pods_: u8) -> World {
    World::new(vms, pods(pods_), settings())
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl World {
    /// A request for a whole pod, which can start for so long.
    fn all(&mut self, vm: usize, id: u32, slack: Duration) {
        self.arrive(vm, urgent(id, 1, self.now, slack + secs(1)));
    }

    /// A request for a tenth of a pod, which can start for so long.
    fn tenth(&mut self, vm: usize, id: u32, slack: Duration) {
        self.arrive(vm, urgent(id, 0, self.now, slack + secs(1)));
    }
}

#[test]
fn room_that_another_vm_took_is_taken() {
    let mut world = world(2, 1);
    world.all(0, 1, secs(9));
    world.all(1, 2, secs(9));
    assert_eq!((world.running(), world.waiting()), (vec![1], vec![2]));
}

#[test]
fn a_vm_is_woken_for_room_that_another_frees_before_any_tick() {
    let mut world = world(2, 1);
    world.all(0, 1, secs(9));
    world.all(1, 2, secs(9));
    world.finish(1, &well());
    assert_eq!(world.running(), [0; 0], "nothing is forwarded in the callback that ends a stream");
    world.deliver_all();
    assert_eq!(world.running(), [2]);
}

#[test]
fn a_lost_message_costs_a_tick() {
    let mut world = world(2, 1);
    world.all(0, 1, secs(9));
    world.all(1, 2, secs(9));
    world.finish(1, &well());
    while world.mail_count() > 0 {
        world.lose(0);
    }
    world.wait(TICK);
    assert_eq!(world.running(), [2]);
}

#[test]
fn a_fresh_request_gives_way_to_a_more_urgent_one_that_was_woken() {
    let mut world = world(2, 1);
    world.all(0, 1, secs(9));
    world.all(1, 2, secs(5));
    world.finish(1, &well());
    world.all(0, 3, secs(6));
    assert_eq!(world.waiting(), [2, 3]);
    world.deliver_all();
    assert_eq!(world.running(), [2]);
}

#[test]
fn a_fresh_request_that_is_more_urgent_does_not_give_way() {
    let mut world = world(2, 1);
    world.all(0, 1, secs(9));
    world.all(1, 2, secs(5));
    world.finish(1, &well());
    world.all(0, 3, secs(4));
    assert_eq!(world.running(), [3]);
}

#[test]
fn a_fresh_request_does_not_give_way_to_one_that_finds_no_room() {
    let mut world = world(2, 1);
    world.tenth(0, 1, secs(9));
    world.all(1, 2, secs(5));
    world.tenth(0, 3, secs(9));
    assert_eq!((world.running(), world.waiting()), (vec![1, 3], vec![2]));
}

#[test]
fn a_stalled_vm_with_the_most_urgent_request_blocks_nobody() {
    let mut world = world(2, 1);
    world.all(0, 1, secs(9));
    world.all(1, 2, secs(5));
    world.all(0, 3, secs(6));
    world.stall(1, secs(1));
    world.finish(1, &well());
    world.deliver_all();
    assert_eq!(world.waiting(), [2, 3], "for a moment the room is left to it");
    world.wait(TICK);
    assert_eq!(world.running(), [3]);
}

#[test]
fn a_dead_vm_s_load_is_back_within_two_seconds_and_a_heartbeat() {
    let mut world = world(2, 1);
    world.all(0, 1, secs(9));
    world.all(1, 2, secs(9));
    world.wait(secs(1));
    world.kill(0);
    world.wait(DEAD_AFTER - HEARTBEAT - TICK);
    assert_eq!(world.running(), [0; 0], "it may still live");
    world.wait(HEARTBEAT + HEARTBEAT + TICK);
    assert_eq!(world.running(), [2]);
}

#[test]
fn a_vm_that_stalled_so_long_that_it_was_given_up_charges_its_load_again() {
    let mut world = world(2, 2);
    world.all(0, 1, secs(9));
    world.stall(0, secs(3));
    world.wait(secs(3) + TICK);
    world.all(1, 2, secs(9));
    world.all(1, 3, secs(9));
    assert_eq!((world.running(), world.waiting()), (vec![1, 2], vec![3]));
}

/// The first thing that it does may be to place a request, before any tick.
#[test]
fn a_vm_that_was_given_up_charges_its_load_before_it_places_more() {
    let mut world = world(2, 1);
    world.tenth(0, 1, secs(9));
    world.stall(0, secs(4));
    world.wait(secs(3));
    world.tenth(1, 2, secs(9));
    world.tenth(0, 3, secs(9));
    world.all(1, 4, secs(9));
    assert_eq!((world.running(), world.waiting()), (vec![1, 2, 3], vec![4]));
    (2..4).for_each(|id| world.finish(id, &well()));
    world.deliver_all();
    assert_eq!(world.waiting(), [4], "the first still runs");
}

/// More than wait in one VM can all pods take together: each is asked for what it has.
#[test]
fn one_release_serves_as_many_waiting_requests_as_fit() {
    let mut world = world(3, 1);
    world.all(0, 1, secs(9));
    (2..32).for_each(|id| world.tenth(id as usize % 3, id, secs(9)));
    world.finish(1, &well());
    world.settle();
    assert_eq!(world.running().len(), 10);
}

#[test]
fn what_waits_in_all_vms_counts_towards_the_longest_queue() {
    let mut world = World::new(2, pods(1), Settings { max_waiting: 2, ..settings() });
    world.all(0, 1, secs(9));
    (2..5).for_each(|id| world.all(id as usize % 2, id, secs(9)));
    assert_eq!(world.waiting(), [2, 3]);
    assert!(matches!(world.requests[&4], Fate::Refused(RefusalReason::QueueFull)));
}

#[test]
fn a_pod_that_failed_in_one_vm_is_out_in_all_until_one_request_has_probed_it() {
    let mut world = world(2, 2);
    world.all(0, 1, secs(9));
    world.finish(1, &End::PodFailed);
    (2..5).for_each(|id| world.all(id as usize % 2, id, secs(9)));
    assert_eq!(world.running().len(), 1);
    world.wait(secs(1));
    assert_eq!(world.running().len(), 2, "one probes it");
    let failing = world.running();
    failing.into_iter().for_each(|id| world.finish(id, &well()));
    world.settle();
    assert_eq!((world.running().len(), world.waiting()), (1, vec![]));
}

/// The right to probe lapses with the room that another VM took.
#[test]
fn a_probe_that_finds_no_room_keeps_no_pod_out() {
    let mut world = world(1, 2);
    world.all(0, 1, secs(9));
    world.finish(1, &End::PodFailed);
    world.all(0, 2, secs(9));
    world.all(0, 3, secs(9));
    world.interfere(Some(2));
    world.wait(secs(1));
    world.interfere(None);
    world.wait(TICK);
    assert_eq!(world.running(), [2, 3]);
}

#[test]
fn a_new_pod_takes_what_waits() {
    let mut world = world(2, 1);
    (1..4).for_each(|id| world.all(id as usize % 2, id, secs(9)));
    let more = Rc::new(pods(2));
    (0..2).for_each(|vm| world.set_pool(vm, Rc::clone(&more)));
    world.settle();
    assert_eq!(world.running().len(), 2);
}

#[test]
fn what_a_request_left_behind_is_released_once() {
    let mut world = world(2, 1);
    world.all(0, 1, secs(9));
    world.finish(1, &well());
    world.finish(1, &well());
    world.deliver_all();
    world.assert_empty();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Room frees for one at a time: whichever VM frees it and however messages come, the most
    /// urgent of all goes.
    #[test]
    fn the_most_urgent_of_all_vms_goes_first(
        requests in vec((0..4_usize, 2_000..4_000_u64), 1..12),
        order in any::<u64>(),
    ) {
        let mut world = world(4, 1);
        let mut rng = fastrand::Rng::with_seed(order);
        world.all(0, 1000, secs(9));
        for (id, (vm, slack)) in (0..).zip(&requests) {
            world.all(*vm, id, Duration::from_millis(*slack));
        }
        let mut by_urgency: Vec<u32> = (0..).take(requests.len()).collect();
        by_urgency.sort_by_key(|id| (requests[*id as usize].1, *id));
        for expected in by_urgency {
            let running = world.running();
            running.into_iter().for_each(|id| world.finish(id, &well()));
            while world.running().is_empty() && world.mail_count() > 0 {
                let mail = world.mail_count();
                world.deliver(rng.usize(0..mail));
            }
            let running = world.running();
            // Equals of two VMs go in any order.
            let slacks: Vec<u64> = running.iter().map(|id| requests[*id as usize].1).collect();
            prop_assert_eq!(slacks, vec![requests[expected as usize].1]);
        }
    }
}
