use proptest::prelude::*;

use super::super::retention::{Outcomes, Retention};

#[test]
fn once_a_cache_is_known_to_be_there_it_is_likely_near_and_unlikely_far() {
    let mut retention = Retention::default();
    assert_eq!(retention.q(0), 0.0, "nothing shows that there is a cache");
    retention.record(64, false);
    assert_eq!(retention.q(0), 0.0);
    retention.record(64, true);
    assert!(retention.q(1_000) > 0.3 && retention.q(20_000_000) < 0.05);
}

#[test]
fn a_known_capacity_moves_the_guess() {
    let (mut small, mut large) = (Retention::default(), Retention::default());
    small.record(0, true);
    large.record(0, true);
    small.set_capacity(50_000.0);
    large.set_capacity(2_000_000.0);
    assert!(small.q(300_000) < 0.1);
    assert!(large.q(300_000) > 0.9);
    large.set_capacity(f64::NAN);
    assert!(large.q(300_000) > 0.9);
}

#[test]
fn it_follows_what_a_cache_of_any_size_keeps() {
    for capacity in [20_000, 500_000, 30_000_000] {
        let mut retention = Retention::default();
        for round in 0..200_u64 {
            for distance in [1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000] {
                retention.record(distance + round, distance < capacity);
            }
        }
        for distance in [1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000] {
            let q = retention.q(distance);
            assert!(if distance < capacity { q > 0.95 } else { q < 0.05 }, "{q} at {distance} of {capacity}");
        }
    }
}

#[test]
fn what_changed_is_learned_anew() {
    let mut retention = Retention::default();
    (0..1_000).for_each(|_| retention.record(50_000, true));
    (0..200).for_each(|_| retention.record(50_000, false));
    assert!(retention.q(50_000) < 0.1);
    assert!(retention.q(500_000) < 0.1, "what is farther is not kept better");
}

#[test]
fn what_one_worker_learned_all_know() {
    let (mut one, mut other, mut all) = (Retention::default(), Retention::default(), Outcomes::default());
    (0..30).for_each(|_| one.record(1_000_000, true));
    one.tell(&mut all);
    one.take(&all);
    assert!(!one.has_news());
    (0..50).for_each(|_| other.take(&all));
    assert_eq!(other.q(1_000_000), one.q(1_000_000));
}

proptest! {
    #[test]
    fn it_never_grows_with_the_distance(
        outcomes in prop::collection::vec((any::<u64>(), 0_u32..64, any::<bool>()), 0..200),
        others in prop::collection::vec((0_u32..40, any::<bool>()), 0..100),
    ) {
        let mut retention = Retention::default();
        for (distance, shift, was_kept) in outcomes {
            retention.record(distance >> shift, was_kept);
        }
        let mut other = Retention::default();
        others.iter().for_each(|(shift, was_kept)| other.record(1 << shift, *was_kept));
        let mut all = Outcomes::default();
        other.tell(&mut all);
        retention.take(&all);
        let mut last = 1.0;
        for shift in 0..64 {
            let q = retention.q(1 << shift);
            prop_assert!((0.0..=last).contains(&q));
            last = q;
        }
    }

    #[test]
    fn no_bytes_of_another_worker_break_it(bytes in prop::collection::vec(any::<u8>(), 192..200)) {
        let mut retention = Retention::default();
        if let Ok(outcomes) = postcard::from_bytes::<Outcomes>(&bytes) {
            retention.take(&outcomes);
        }
        prop_assert!((0..64).all(|shift| (0.0..=1.0).contains(&retention.q(1 << shift))));
    }
}
