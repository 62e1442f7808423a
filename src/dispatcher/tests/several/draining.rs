//! Pods that drain for a request that waited too long.

use super::*;

/// Small requests come without end, and there is always one that fits where one ended. The large
/// one gets its pod, in time, because one drains for it.
#[test]
fn a_large_request_among_a_stream_of_small_ones_gets_its_pod_in_time() {
    for vms in 1..=3_usize {
        let mut world = world(vms, 2);
        let mut running_since: Vec<(u32, _)> = Vec::new();
        let mut served_after = None;
        for step in 0..600_u32 {
            let now = world.now;
            if step == 100 {
                world.all(0, 0, secs(8));
            }
            world.tenth(step as usize % vms, step + 1, secs(4));
            for id in world.running() {
                if !running_since.iter().any(|(known, _)| *known == id) {
                    running_since.push((id, now));
                }
            }
            let ended: Vec<u32> =
                running_since.iter().filter(|(_, since)| now.since(*since) >= secs(1)).map(|(id, _)| *id).collect();
            running_since.retain(|(id, _)| !ended.contains(id));
            ended.into_iter().for_each(|id| world.finish(id, &well()));
            world.deliver_all();
            if step > 100 && served_after.is_none() && !world.waiting().contains(&0) {
                served_after = Some(Duration::from_millis(50) * (step - 100));
            }
            world.wait(Duration::from_millis(50));
        }
        assert!(served_after.is_some_and(|wait| wait <= secs(6)), "{vms} VMs: served after {served_after:?}");
    }
}

#[test]
fn a_client_that_leaves_lets_go_of_the_pod_that_drained_for_it() {
    for other in [0, 1] {
        let mut world = world(2, 1);
        (1..7).for_each(|id| world.tenth(0, id, secs(19)));
        world.all(0, 7, secs(2));
        world.wait(secs(1));
        world.tenth(other, 8, secs(9));
        assert_eq!(world.waiting(), [7, 8], "the pod drains");
        world.cancel(7);
        world.deliver_all();
        assert_eq!(world.waiting(), [0; 0], "in VM {other}");
    }
}

#[test]
fn nobody_is_woken_for_a_pod_that_drains_for_another() {
    let mut world = world(2, 1);
    (1..7).for_each(|id| world.tenth(0, id, secs(19)));
    world.all(0, 7, secs(2));
    world.wait(secs(1));
    world.tenth(1, 8, secs(9));
    world.deliver_all();
    world.finish(1, &well());
    assert_eq!(world.mail_count(), 1, "to the VM itself");
    world.deliver(0);
    assert_eq!(world.mail_count(), 0);
}

#[test]
fn of_all_vms_only_the_longest_waiting_request_has_a_pod_drained() {
    let mut world = world(2, 2);
    (1..13).for_each(|id| world.tenth(0, id, secs(19)));
    world.all(0, 20, secs(2));
    world.all(1, 21, secs(3));
    world.wait(Duration::from_millis(1_800));
    world.tenth(0, 22, secs(9));
    assert_eq!(world.waiting(), [20, 21], "the other pod still takes requests");
}

/// Both pods are full, and the larger request has one of them drained.
#[test]
fn a_request_that_waited_long_is_woken_for_room_while_another_vm_s_has_a_pod_drained() {
    let mut world = world(2, 2);
    (0..20).for_each(|id| world.tenth(0, id, secs(19)));
    world.all(0, 20, secs(2));
    world.tenth(1, 21, secs(3));
    world.wait(Duration::from_millis(1_800));
    // The pod with most room drains, and stays the one.
    let on_first =
        |fate: &Fate| matches!(fate, Fate::Running { address, .. } if address.to_string() == "10.0.0.0:8000");
    let (drains, other): (Vec<u32>, Vec<u32>) = (0..20).partition(|id| on_first(&world.requests[id]));
    for id in [drains[0], drains[1], other[0]] {
        world.finish(id, &well());
        world.deliver_all();
    }
    assert_eq!(world.waiting(), [20], "before any tick");
}

/// A late request reserves no pod of a deployment on which no policy would place it.
#[test]
fn a_late_request_drains_only_a_pod_that_it_may_use() {
    let fast = profile(&[(0.1, 1.0), (1.0, 1.0)], 10.0);
    let slow = profile(&[(0.1, 1.0), (1.0, 8.0)], 10.0);
    let mut world = World::new(1, pool(&[("fast", 1, Some(fast)), ("slow", 1, Some(slow))]), settings());
    world.all(0, 1, secs(9));
    world.wait(secs(2));
    world.tenth(0, 2, secs(19));
    world.all(0, 3, Duration::from_millis(1));
    world.wait(secs(6));
    assert!(world.waiting().contains(&3), "it has aged, and its pod is busy");
    world.tenth(0, 4, secs(9));
    assert!(world.running().contains(&4), "the slow pod does not drain for it");
    world.finish(1, &well());
    world.settle();
    assert!(world.running().contains(&3));
}
