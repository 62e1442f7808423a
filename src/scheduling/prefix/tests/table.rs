use proptest::prelude::*;

use super::super::pods::{PodCaches, PodNumber};
use super::super::running::mix;
use super::super::table::{HeadLength, HeadTable};
use super::{DEPLOYMENT, pod};

fn pods(count: u64) -> PodCaches {
    let mut pods = PodCaches::default();
    (0..count).for_each(|number| assert!(pods.enter(pod(number), DEPLOYMENT).is_some()));
    pods
}

const fn estimated(tokens: u32) -> HeadLength {
    HeadLength { tokens, is_measured: false }
}

const fn measured(tokens: u32) -> HeadLength {
    HeadLength { tokens, is_measured: true }
}

fn holders(table: &HeadTable, fingerprint: u64) -> Vec<u16> {
    let mut holders = Vec::new();
    table.each_holder(fingerprint, |holder| holders.push(holder.pod.0));
    holders.sort_unstable();
    holders
}

#[test]
fn a_head_is_held_by_the_pods_that_computed_it() {
    let (mut table, pods) = (HeadTable::new(64), pods(3));
    assert!(table.touch(mix(1, 1), estimated(160), PodNumber(2), &pods));
    assert!(table.touch(mix(1, 1), estimated(160), PodNumber(0), &pods));
    assert!(!table.touch(mix(1, 1), estimated(160), PodNumber(2), &pods));
    assert_eq!(holders(&table, mix(1, 1)), [0, 2]);
    assert_eq!(holders(&table, mix(1, 2)), [0_u16; 0]);
}

#[test]
fn a_head_that_many_pods_hold_keeps_twelve_of_them_and_the_latest() {
    let (mut table, mut pods) = (HeadTable::new(64), pods(40));
    for number in 0..40 {
        pods.get_mut(PodNumber(number)).unwrap().compute(1_000_000);
        table.touch(mix(1, 1), estimated(160), PodNumber(number), &pods);
        // What follows makes it older on all that have it.
        (0..=number).for_each(|number| pods.get_mut(PodNumber(number)).unwrap().compute(1_000));
    }
    assert_eq!(holders(&table, mix(1, 1)), (28..40).collect::<Vec<_>>());
}

#[test]
fn a_full_bucket_gives_up_what_was_not_used_for_longest() {
    let (mut table, mut pods) = (HeadTable::new(8), pods(1));
    for head in 0..9 {
        table.touch(mix(head, 0), estimated(160), PodNumber(0), &pods);
        pods.get_mut(PodNumber(0)).unwrap().compute(1_000);
        table.touch(mix(0, 0), estimated(160), PodNumber(0), &pods);
    }
    let held: Vec<u64> = (0..9).filter(|head| !holders(&table, mix(*head, 0)).is_empty()).collect();
    assert_eq!(held, [0, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn measured_lengths_replace_estimates_and_only_grow() {
    let (mut table, pods) = (HeadTable::new(64), pods(1));
    let mut length_after = |length| {
        table.touch(mix(1, 1), length, PodNumber(0), &pods);
        let mut tokens = 0;
        table.each_holder(mix(1, 1), |holder| tokens = holder.tokens);
        tokens
    };
    assert_eq!(length_after(estimated(3_200)), 3_200);
    assert_eq!(length_after(estimated(1_600)), 3_200);
    assert_eq!(length_after(measured(2_400)), 2_400);
    assert_eq!(length_after(measured(2_409)), 2_400, "in whole units of 16");
    assert_eq!(length_after(measured(4_800)), 4_800);
    assert_eq!(length_after(measured(2_400)), 4_800);
    assert_eq!(length_after(measured(u32::MAX)), 0xFFFF << 4);
}

proptest! {
    #[test]
    fn any_size_holds_what_was_touched_last(
        entries in 0_usize..5_000,
        touches in prop::collection::vec((0_u64..200, 0_u16..20), 1..300),
    ) {
        let (mut table, mut pods) = (HeadTable::new(entries), pods(20));
        for (head, number) in touches {
            pods.get_mut(PodNumber(number)).unwrap().compute(64);
            table.touch(mix(head, 3), estimated(64), PodNumber(number), &pods);
            prop_assert!(holders(&table, mix(head, 3)).contains(&number));
            prop_assert!(holders(&table, mix(head, 3)).len() <= 12);
        }
    }
}
