use std::collections::HashSet;
use std::time::Duration;

use crate::scheduling::testing::START;
use crate::scheduling::time::Instant;
use crate::shared::membership::{DEAD_AFTER, FencingToken, Generation, Membership, YIELD_FOR};

fn joined(membership: &mut Membership, now: Instant) -> FencingToken {
    membership.join(now).unwrap()
}

#[test]
fn there_are_256_seats() {
    let mut membership = Membership::default();
    let slots: HashSet<u8> = (0..256).map(|_| joined(&mut membership, START).slot).collect();
    assert_eq!((slots.len(), membership.join(START)), (256, None));
}

#[test]
fn a_seat_that_was_left_is_taken_under_a_new_epoch() {
    let mut membership = Membership::default();
    let mut epochs = HashSet::new();
    let keeps = joined(&mut membership, START);
    for _ in 0..10 {
        let fence = joined(&mut membership, START);
        assert_eq!((keeps.slot, fence.slot), (0, 1));
        assert!(epochs.insert(fence.epoch));
        membership.leave(fence);
        assert_eq!(membership.member(fence), None);
    }
}

#[test]
fn the_lowest_seat_that_is_free_is_taken() {
    let mut membership = Membership::default();
    let fences: Vec<FencingToken> = (0..3).map(|_| joined(&mut membership, START)).collect();
    membership.leave(fences[1]);
    assert_eq!([(); 2].map(|()| joined(&mut membership, START).slot), [1, 3]);
}

#[test]
fn a_silent_vm_loses_its_seat_after_two_seconds() {
    let mut membership = Membership::default();
    let [silent, beating] = [(); 2].map(|()| joined(&mut membership, START));
    let just_before = START.after(DEAD_AFTER - Duration::from_micros(1));
    membership.member_mut(beating).unwrap().heartbeat = just_before;
    assert!(membership.lives(silent, just_before));
    assert_eq!(membership.drop_dead(just_before), 0);

    let now = START.after(DEAD_AFTER);
    assert!(!membership.lives(silent, now), "even before anyone has dropped it");
    assert_eq!(membership.others(None, now).count(), 1);
    assert_eq!(membership.drop_dead(now), 1);
    assert!(membership.member(silent).is_none() && membership.lives(beating, now));
}

#[test]
fn a_seat_of_the_dead_is_free_for_the_next() {
    let mut membership = Membership::default();
    let dead = joined(&mut membership, START);
    let next = joined(&mut membership, START.after(DEAD_AFTER));
    assert!(next.slot == dead.slot && next.epoch != dead.epoch);
}

#[test]
fn what_waits_elsewhere_is_what_the_living_others_say() {
    let mut membership = Membership::default();
    let [own, other, dead] = [(); 3].map(|()| joined(&mut membership, START));
    let now = START.after(DEAD_AFTER);
    for (fence, waiting) in [(own, 1), (other, 2), (dead, 4)] {
        membership.member_mut(fence).unwrap().waiting = waiting;
    }
    for fence in [own, other] {
        membership.member_mut(fence).unwrap().heartbeat = now;
    }
    assert_eq!(membership.waiting_elsewhere(Some(own), now), 2);
    assert_eq!(membership.waiting_elsewhere(None, now), 3);
}

#[test]
fn of_two_configurations_the_newer_is_in_force() {
    let [old, new] = [(0, 1), (1, 2)]
        .map(|(millis, fingerprint)| Generation { since: START.after(Duration::from_millis(millis)), fingerprint });
    for order in [[old, new], [new, old]] {
        let mut membership = Membership::default();
        order.into_iter().for_each(|generation| membership.note(generation));
        assert!(membership.is_outdated(old) && !membership.is_outdated(new), "{order:?}");
    }
}

#[test]
fn another_vm_of_the_same_configuration_outdates_nothing() {
    let mut membership = Membership::default();
    let one = Generation { since: START, fingerprint: 1 };
    membership.note(Generation { since: START.after(Duration::from_secs(9)), ..one });
    assert!(!membership.is_outdated(one) && !Membership::default().is_outdated(one));
}

#[test]
fn a_woken_vm_is_left_room_for_a_moment_and_woken_again_later() {
    let mut membership = Membership::default();
    let fence = joined(&mut membership, START);
    let member = membership.member_mut(fence).unwrap();
    assert!(member.may_be_woken(START) && !member.is_yielded_to(START));
    member.woken = Some(START);
    let after = |millis| START.after(Duration::from_millis(millis));
    assert!(member.is_yielded_to(after(4)) && !member.may_be_woken(after(4)));
    assert!(!member.is_yielded_to(START.after(YIELD_FOR)));
    assert!(!member.may_be_woken(after(249)) && member.may_be_woken(after(250)));
}
