use std::collections::HashSet;
use std::time::Duration;

use crate::scheduling::testing::START;
use crate::scheduling::time::Instant;
use crate::shared::directory::{DEAD_AFTER, Directory, Generation, Ticket, YIELD_FOR};

fn joined(directory: &mut Directory, now: Instant) -> Ticket {
    directory.join(now).unwrap()
}

#[test]
fn there_are_256_seats() {
    let mut directory = Directory::default();
    let slots: HashSet<u8> = (0..256).map(|_| joined(&mut directory, START).slot).collect();
    assert_eq!((slots.len(), directory.join(START)), (256, None));
}

#[test]
fn a_seat_that_was_left_is_taken_under_a_new_epoch() {
    let mut directory = Directory::default();
    let mut epochs = HashSet::new();
    let keeps = joined(&mut directory, START);
    for _ in 0..10 {
        let ticket = joined(&mut directory, START);
        assert_eq!((keeps.slot, ticket.slot), (0, 1));
        assert!(epochs.insert(ticket.epoch));
        directory.leave(ticket);
        assert_eq!(directory.seat(ticket), None);
    }
}

#[test]
fn the_lowest_seat_that_is_free_is_taken() {
    let mut directory = Directory::default();
    let tickets: Vec<Ticket> = (0..3).map(|_| joined(&mut directory, START)).collect();
    directory.leave(tickets[1]);
    assert_eq!([(); 2].map(|()| joined(&mut directory, START).slot), [1, 3]);
}

#[test]
fn a_silent_vm_loses_its_seat_after_two_seconds() {
    let mut directory = Directory::default();
    let [silent, beating] = [(); 2].map(|()| joined(&mut directory, START));
    let just_before = START.after(DEAD_AFTER - Duration::from_micros(1));
    directory.seat_mut(beating).unwrap().heartbeat = just_before;
    assert!(directory.lives(silent, just_before));
    assert_eq!(directory.drop_dead(just_before), 0);

    let now = START.after(DEAD_AFTER);
    assert!(!directory.lives(silent, now), "even before anyone has dropped it");
    assert_eq!(directory.others(None, now).count(), 1);
    assert_eq!(directory.drop_dead(now), 1);
    assert!(directory.seat(silent).is_none() && directory.lives(beating, now));
}

#[test]
fn a_seat_of_the_dead_is_free_for_the_next() {
    let mut directory = Directory::default();
    let dead = joined(&mut directory, START);
    let next = joined(&mut directory, START.after(DEAD_AFTER));
    assert!(next.slot == dead.slot && next.epoch != dead.epoch);
}

#[test]
fn what_waits_elsewhere_is_what_the_living_others_say() {
    let mut directory = Directory::default();
    let [own, other, dead] = [(); 3].map(|()| joined(&mut directory, START));
    let now = START.after(DEAD_AFTER);
    for (ticket, waiting) in [(own, 1), (other, 2), (dead, 4)] {
        directory.seat_mut(ticket).unwrap().waiting = waiting;
    }
    for ticket in [own, other] {
        directory.seat_mut(ticket).unwrap().heartbeat = now;
    }
    assert_eq!(directory.waiting_elsewhere(Some(own), now), 2);
    assert_eq!(directory.waiting_elsewhere(None, now), 3);
}

#[test]
fn of_two_configurations_the_newer_is_in_force() {
    let [old, new] = [(0, 1), (1, 2)]
        .map(|(millis, fingerprint)| Generation { since: START.after(Duration::from_millis(millis)), fingerprint });
    for order in [[old, new], [new, old]] {
        let mut directory = Directory::default();
        order.into_iter().for_each(|generation| directory.note(generation));
        assert!(directory.is_outdated(old) && !directory.is_outdated(new), "{order:?}");
    }
}

#[test]
fn another_vm_of_the_same_configuration_outdates_nothing() {
    let mut directory = Directory::default();
    let one = Generation { since: START, fingerprint: 1 };
    directory.note(Generation { since: START.after(Duration::from_secs(9)), ..one });
    assert!(!directory.is_outdated(one) && !Directory::default().is_outdated(one));
}

#[test]
fn a_woken_vm_is_left_room_for_a_moment_and_woken_again_later() {
    let mut directory = Directory::default();
    let ticket = joined(&mut directory, START);
    let seat = directory.seat_mut(ticket).unwrap();
    assert!(seat.may_be_woken(START) && !seat.is_yielded_to(START));
    seat.woken = Some(START);
    let after = |millis| START.after(Duration::from_millis(millis));
    assert!(seat.is_yielded_to(after(4)) && !seat.may_be_woken(after(4)));
    assert!(!seat.is_yielded_to(START.after(YIELD_FOR)));
    assert!(!seat.may_be_woken(after(249)) && seat.may_be_woken(after(250)));
}
