use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::scheduling::load::Load;
use crate::scheduling::pod_load::{PodLoad, PodLoads};
use crate::scheduling::pool::PodId;
use crate::scheduling::testing::START;
use crate::shared::ledger::Ledger;
use crate::shared::membership::{FencingToken, Membership};

fn fences(count: usize) -> Vec<FencingToken> {
    let mut membership = Membership::default();
    (0..count).map(|_| membership.join(START).unwrap()).collect()
}

fn pod(number: u8) -> PodId {
    PodId::of(format!("10.0.0.{number}:8000").parse().unwrap())
}

/// Load of one pod, from the loads of its requests in millionths.
fn charged(loads: &[u32]) -> PodLoad {
    let mut entry = PodLoad::default();
    loads.iter().for_each(|micro| entry.charge(Load::from_micro(*micro)));
    entry
}

/// The sum of the columns of some VMs.
fn sum_of(ledger: &Ledger, counts: impl Fn(FencingToken) -> bool) -> PodLoads {
    let mut sum = PodLoads::new();
    for (pod, entry) in ledger.columns().filter(|(fence, _)| counts(*fence)).flat_map(|(_, column)| column) {
        sum.entry(*pod).or_default().add(*entry);
    }
    sum
}

type Runs = BTreeMap<u8, Vec<u32>>;

fn runs() -> impl Strategy<Value = Runs> {
    btree_map(0..5_u8, vec(0..2_000_000_u32, 1..5), 0..5)
}

fn column(runs: &Runs) -> PodLoads {
    runs.iter().map(|(number, loads)| (pod(*number), charged(loads))).collect()
}

#[test]
fn a_column_that_is_empty_takes_no_room() {
    let mut ledger = Ledger::default();
    let fence = fences(1)[0];
    ledger.publish(fence, column(&Runs::from([(0, vec![1])])));
    ledger.publish(fence, PodLoads::new());
    assert_eq!(ledger, Ledger::default());
}

#[test]
fn a_load_that_a_pod_can_not_have_saturates_in_its_sum_alone() {
    let mut entry = charged(&[u32::MAX, u32::MAX]);
    assert_eq!((entry.load(), entry.count), (Load::from_micro(u32::MAX), 2));
    entry.release(Load::from_micro(u32::MAX));
    entry.release(Load::from_micro(u32::MAX));
    assert_eq!(entry, PodLoad::default());
}

proptest! {
    #[test]
    fn publishing_again_changes_nothing(runs in runs(), others in runs()) {
        let fences = fences(2);
        let mut ledger = Ledger::default();
        ledger.publish(fences[0], column(&runs));
        ledger.publish(fences[1], column(&others));
        let once = sum_of(&ledger, |_| true);
        ledger.publish(fences[0], column(&runs));
        prop_assert_eq!(sum_of(&ledger, |_| true), once);
    }

    #[test]
    fn the_sum_is_that_of_the_last_columns_of_all_but_one(published in vec((0..4_usize, runs()), 0..12), own in 0..5_usize) {
        let fences = fences(5);
        let mut ledger = Ledger::default();
        let mut last: BTreeMap<usize, &Runs> = BTreeMap::new();
        for (vm, runs) in &published {
            ledger.publish(fences[*vm], column(runs));
            last.insert(*vm, runs);
        }
        let mut all: Runs = Runs::new();
        for (_, runs) in last.iter().filter(|(vm, _)| **vm != own) {
            runs.iter().for_each(|(pod, loads)| all.entry(*pod).or_default().extend(loads));
        }
        let sum = sum_of(&ledger, |fence| fence != fences[own]);
        prop_assert_eq!(sum, column(&all));

        ledger.retain(|fence| fence != fences[own]);
        prop_assert_eq!(sum_of(&ledger, |_| true), column(&all));
    }

    #[test]
    fn charging_and_releasing_cancel_in_any_order(loads in vec(0..u32::MAX, 0..20), rest in vec(0..u32::MAX, 0..5), seed in any::<u64>()) {
        let mut entry = charged(&loads);
        rest.iter().for_each(|micro| entry.charge(Load::from_micro(*micro)));
        let mut order = loads;
        fastrand::Rng::with_seed(seed).shuffle(&mut order);
        order.iter().for_each(|micro| entry.release(Load::from_micro(*micro)));
        prop_assert_eq!(entry, charged(&rest));
    }
}
