use proptest::prelude::*;

use super::super::index::PrefixIndex;
use super::super::placements::{PLACEMENTS_MAX, PlacementsError, VERSION};
use super::{DEPLOYMENT, heads, pod, proven, tokens};

fn index() -> PrefixIndex {
    proven(PrefixIndex::new(1 << 12))
}

fn place(index: &mut PrefixIndex, parts: &[u64], number: u64) {
    let heads = heads(parts);
    let tokens = tokens(&heads);
    index.placed(heads.into(), tokens, pod(number), DEPLOYMENT);
}

#[test]
fn a_follow_up_is_found_by_another_worker() {
    let (mut one, mut other) = (index(), index());
    place(&mut one, &[1, 2, 3, 4], 5);
    assert_eq!(other.learn(&one.placements(), 0), Ok(2));
    let next = heads(&[1, 2, 3, 4, 5, 6]);
    let hit = *other.expected(&next, 6_000).on(pod(5)).unwrap();
    assert_eq!(hit, *one.expected(&next, 6_000).on(pod(5)).unwrap());
    assert_eq!(hit.tokens, 4_000);
}

#[test]
fn of_many_heads_the_longest_and_some_between_are_reported() {
    let (mut one, mut other) = (index(), index());
    let parts: Vec<u64> = (0..48).collect();
    place(&mut one, &parts, 5);
    other.learn(&one.placements(), 0).unwrap();
    let longest_within = |parts: &[u64]| {
        other
            .expected(&heads(parts), 1_000 * u32::try_from(parts.len()).unwrap())
            .on(pod(5))
            .map(|hit| hit.tokens / 1_000)
    };
    assert_eq!(longest_within(&parts), Some(48));
    let between = longest_within(&parts[..30]).unwrap();
    assert!((24..=30).contains(&between), "{between}");
}

#[test]
fn each_placement_is_taken_once() {
    let (mut one, mut other) = (index(), index());
    let mut seen = 0;
    for turn in 0..100 {
        place(&mut one, &[turn, 1, 2], 5);
        if turn % 7 == 0 {
            seen = other.learn(&one.placements(), seen).unwrap();
            seen = other.learn(&one.placements(), seen).unwrap();
            assert_eq!(seen, one.sequence());
        }
    }
    let distance = |index: &PrefixIndex| index.expected(&heads(&[0, 1, 2]), 3_000).on(pod(5)).unwrap().distance;
    // The last one was not read.
    let unread = distance(&one) - distance(&other);
    assert!((2_900..=3_100).contains(&unread), "{unread}");
}

#[test]
fn a_worker_that_began_anew_is_read_from_its_beginning() {
    let (mut one, mut other) = (index(), index());
    place(&mut one, &[1], 5);
    assert_eq!(other.learn(&one.placements(), 1_000), Ok(2));
    assert!(other.expected(&heads(&[1]), 1_000).on(pod(5)).is_some());
}

#[test]
fn what_is_no_placements_is_refused() {
    let mut one = index();
    (0..40).for_each(|turn| place(&mut one, &(turn..turn + 48).collect::<Vec<_>>(), turn));
    let bytes = one.placements();
    assert!(bytes.len() < 3_300, "{}", bytes.len());
    assert_eq!(one.learn(&[], 0), Err(PlacementsError::Garbled));
    assert_eq!(one.learn(&bytes[..bytes.len() - 1], 0), Err(PlacementsError::Garbled));
    assert_eq!(one.learn(&[&bytes[..], &[0]].concat(), 0), Err(PlacementsError::Garbled));
    assert_eq!(one.learn(&[VERSION + 1], 0), Err(PlacementsError::Version(VERSION + 1)));
    assert_eq!(one.learn(&[VERSION; 9_000], 0), Err(PlacementsError::TooLong(9_000)));
    let many =
        postcard::to_allocvec(&(VERSION, 99_u64, vec![(1_u64, 1_u64, 1_u32, [(); 0]); PLACEMENTS_MAX + 1])).unwrap();
    assert!(one.learn(&many, 0).is_err());
    let long = postcard::to_allocvec(&(VERSION, 9_u64, vec![(1_u64, 1_u64, u32::MAX, vec![(1_u64, 1_u32)])])).unwrap();
    assert_eq!(one.learn(&long, 0), Err(PlacementsError::Absurd("a prompt longer than any")));
}

proptest! {
    #[test]
    fn no_bytes_break_the_index(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
        seen in any::<u64>(),
    ) {
        let (mut one, mut other) = (index(), index());
        let _ = other.learn(&bytes, seen);
        let _ = other.learn(&[&[VERSION], &bytes[..]].concat(), seen);
        (0..5).for_each(|turn| place(&mut one, &[turn, 1, 2], turn));
        let mut bytes = one.placements();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
        }
        let _ = other.learn(&bytes, seen);
        for hit in other.expected(&heads(&[1, 1, 2]), 3_000).iter() {
            prop_assert!(hit.tokens <= 3_000 && (0.0..=1.0).contains(&hit.probability));
        }
    }
}
