use super::super::index::PrefixIndex;
use super::super::placements::RecentPlacements;
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
    assert_eq!(other.learn(one.placements(), 0), 2);
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
    other.learn(one.placements(), 0);
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
            other.learn(one.placements(), seen);
            seen = one.placements().sequence();
            assert_eq!(other.learn(one.placements(), seen), 0);
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
    assert_eq!(other.learn(one.placements(), 1_000), 2);
    assert!(other.expected(&heads(&[1]), 1_000).on(pod(5)).is_some());
}

#[test]
fn what_is_reported_is_bounded() {
    let mut one = index();
    (0..40).for_each(|turn| place(&mut one, &(turn..turn + 48).collect::<Vec<_>>(), turn));
    assert_eq!(one.placements().sequence(), 41);
    assert_eq!(one.placements().since(0).count(), 32);
    assert!(one.placements().since(0).all(|placement| placement.heads().count() == 8));
}

#[test]
fn a_made_up_length_does_not_age_what_a_pod_holds() {
    let (mut one, mut other) = (index(), index());
    place(&mut one, &[1, 2], 5);
    one.placed(heads(&[3]).into(), u32::MAX, pod(5), DEPLOYMENT);
    other.learn(one.placements(), 0);
    for index in [&one, &other] {
        let hit = *index.expected(&heads(&[1, 2]), 2_000).on(pod(5)).unwrap();
        assert!(hit.distance < 1 << 21, "{}", hit.distance);
    }
}

#[test]
fn what_another_gateway_placed_on_a_pod_that_is_not_known_here_is_not_taken() {
    let (mut one, mut other) = (index(), index());
    place(&mut one, &[1], 5);
    place(&mut one, &[2], 6);
    let known = |id| (id == pod(6)).then_some(DEPLOYMENT);
    other.learn_of_peers(one.placements(), 0, known);
    assert!(other.expected(&heads(&[1]), 1_000).on(pod(5)).is_none());
    assert!(other.expected(&heads(&[2]), 1_000).on(pod(6)).is_some());
}

#[test]
fn what_several_placed_is_joined_each_once_and_the_last_are_kept() {
    let (mut one, mut other) = (index(), index());
    (0..3).for_each(|turn| place(&mut one, &[turn], 5));
    (0..3).for_each(|turn| place(&mut other, &[turn, 7], 6));
    let mut joined = RecentPlacements::default();
    joined.append(one.placements(), 1, 5);
    joined.append(other.placements(), 1, 5);
    joined.append(one.placements(), 4, 5);
    assert_eq!((joined.sequence(), joined.len()), (6, 5));
    assert_eq!((joined.last(2).sequence(), joined.last(2).len()), (6, 2));
    joined.drop_until(5);
    assert_eq!((joined.sequence(), joined.since(0).map(|placement| placement.pod).collect()), (6, vec![pod(6)]));
    joined.drop_until(9);
    assert!(joined.is_empty());
}
