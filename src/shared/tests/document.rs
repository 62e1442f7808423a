use std::time::Duration;

use crate::scheduling::testing::START;
use crate::scheduling::time::Instant;
use crate::shared::Keys;
use crate::shared::document::{Good, SharedDocument};
use crate::shared::memory::Memory;

const EVERY: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(2);

/// The VMs of a pool, and its memory.
struct Vms {
    memory: Memory,
    keys: Keys,
}

impl Vms {
    fn new() -> Self {
        Self { memory: Memory::default(), keys: Keys::of("p") }
    }

    fn lease(&self, document: &SharedDocument, now: Instant) -> bool {
        document.lease(&self.memory, &self.keys, EVERY, TIMEOUT, now)
    }

    fn publish(&self, document: &SharedDocument, bytes: &[u8]) {
        document.publish(&self.memory, &self.keys, Good { bytes, ..Good::default() });
    }

    fn keep(&self, document: &SharedDocument) {
        document.keep(&self.memory, &self.keys, "bad");
    }

    fn take(&self, document: &mut SharedDocument) -> Option<Vec<u8>> {
        document.take_newer(&self.memory, &self.keys)
    }

    fn fetch(&self, document: &SharedDocument, now: Instant, bytes: &[u8]) {
        assert!(self.lease(document, now));
        self.publish(document, bytes);
    }
}

/// One VM's view of the source of a configuration.
fn of(fingerprint: u64) -> SharedDocument {
    SharedDocument::new("pods", fingerprint)
}

fn after(seconds: u64) -> Instant {
    START.after(Duration::from_secs(seconds))
}

#[test]
fn the_document_in_force_is_that_of_the_same_source() {
    let vms = Vms::new();
    let in_force = |fingerprint| of(fingerprint).in_force(&vms.memory, &vms.keys);
    assert_eq!(in_force(1), b"");
    vms.fetch(&of(1), START, b"a");
    assert_eq!((in_force(1), in_force(2)), (b"a".to_vec(), Vec::new()));
}

#[test]
fn one_vm_fetches_and_all_take() {
    let vms = Vms::new();
    let [mut one, mut other] = [of(1), of(1)];
    assert!(vms.lease(&one, START));
    assert!(!vms.lease(&other, START));
    vms.publish(&one, b"a");
    for document in [&mut one, &mut other] {
        assert_eq!(vms.take(document), Some(b"a".to_vec()));
        assert_eq!(vms.take(document), None, "once");
    }
}

#[test]
fn it_is_fetched_again_when_due() {
    let vms = Vms::new();
    let [one, other] = [of(1), of(1)];
    vms.fetch(&one, START, b"a");
    assert!(!vms.lease(&other, after(9)));
    assert!(vms.lease(&other, after(10)));
}

#[test]
fn one_that_is_hastened_is_fetched_now_or_a_second_after_the_last_time() {
    let vms = Vms::new();
    let hasten = |document: &SharedDocument| document.hasten(&vms.memory, &vms.keys);
    let [one, other] = [of(1), of(1)];
    hasten(&one);
    vms.fetch(&one, START, b"a");
    hasten(&one);
    assert!(!vms.lease(&other, after(1).before(Duration::from_micros(1))));
    vms.fetch(&other, after(1), b"a");
    assert!(!vms.lease(&one, after(10)), "once");
    // While it is fetched, what comes of that may be out of date already.
    assert!(vms.lease(&one, after(11)));
    hasten(&other);
    vms.publish(&one, b"a");
    assert!(vms.lease(&other, after(12)));
}

#[test]
fn until_the_first_good_one_it_is_tried_again_soon_then_ever_less_often() {
    let vms = Vms::new();
    let tried = (0..40_000).filter(|ms| {
        let due = vms.lease(&of(1), START.after(Duration::from_millis(*ms)));
        if due {
            vms.keep(&of(1));
        }
        due
    });
    let tried: Vec<u64> = tried.collect();
    let expected = [0, 50, 150, 350, 750, 1_550, 3_150, 6_350, 12_750, 22_750, 32_750];
    assert_eq!(tried, expected);
    vms.fetch(&of(1), after(50), b"a");
    vms.fetch(&of(1), after(60), b"a");
    vms.keep(&of(1));
    assert!(vms.lease(&of(1), after(70)));
    vms.keep(&of(1));
    assert!(!vms.lease(&of(1), after(79)), "with a good one there is no haste");
}

#[test]
fn another_vm_fetches_where_one_died_over_it() {
    let vms = Vms::new();
    assert!(of(1).lease(&vms.memory, &vms.keys, Duration::ZERO, TIMEOUT, START));
    let lease = |now| of(1).lease(&vms.memory, &vms.keys, Duration::ZERO, TIMEOUT, now);
    assert!(!lease(after(3).before(Duration::from_micros(1))));
    assert!(lease(after(3)));
}

#[test]
fn a_failed_fetch_keeps_the_last_good_one_and_is_not_repeated_at_once() {
    let vms = Vms::new();
    let [mut one, mut late] = [of(1), of(1)];
    vms.fetch(&one, START, b"a");
    assert_eq!(vms.take(&mut one), Some(b"a".to_vec()));
    assert!(vms.lease(&one, after(10)));
    vms.keep(&one);
    assert!(!vms.lease(&one, after(11)) && vms.lease(&one, after(20)));
    assert_eq!(vms.take(&mut one), None);
    assert_eq!(vms.take(&mut late), Some(b"a".to_vec()), "a VM that comes later");
}

#[test]
fn the_same_document_again_is_no_news() {
    let vms = Vms::new();
    let mut document = of(1);
    vms.fetch(&document, START, b"a");
    assert!(vms.take(&mut document).is_some());
    vms.fetch(&document, after(10), b"a");
    assert_eq!(vms.take(&mut document), None);
    vms.fetch(&document, after(20), b"b");
    assert_eq!(vms.take(&mut document), Some(b"b".to_vec()));
}

#[test]
fn two_sources_live_side_by_side() {
    let vms = Vms::new();
    let [mut old, mut new] = [of(1), of(2)];
    vms.fetch(&old, START, b"old");
    vms.fetch(&new, START, b"new");
    assert_eq!(vms.take(&mut old), Some(b"old".to_vec()));
    assert_eq!(vms.take(&mut new), Some(b"new".to_vec()));
    vms.fetch(&old, after(10), b"old 2");
    assert_eq!((vms.take(&mut old), vms.take(&mut new)), (Some(b"old 2".to_vec()), None));
}

#[test]
fn two_kinds_of_sources_do_not_meet() {
    let vms = Vms::new();
    let mut profiles = SharedDocument::new("profiles", 1);
    vms.fetch(&of(1), START, b"pods");
    assert_eq!(vms.take(&mut profiles), None);
    assert!(vms.lease(&profiles, START));
}

#[test]
fn of_five_configurations_the_one_fetched_longest_ago_loses_its_cell() {
    let vms = Vms::new();
    (1..=5)
        .for_each(|fingerprint| vms.fetch(&of(fingerprint), after(fingerprint), &[u8::try_from(fingerprint).unwrap()]));
    let kept: Vec<u64> = (1..=5).filter(|fingerprint| vms.take(&mut of(*fingerprint)).is_some()).collect();
    assert_eq!(kept, [2, 3, 4, 5]);
}

#[test]
fn a_configuration_without_a_cell_overwrites_none_and_comes_back_with_its_next_fetch() {
    let vms = Vms::new();
    let mut first = of(1);
    assert!(vms.lease(&first, after(1)));
    (2..=5).for_each(|fingerprint| vms.fetch(&of(fingerprint), after(fingerprint), b"other"));
    vms.publish(&first, b"first");
    vms.keep(&first);
    assert_eq!(vms.take(&mut first), None);
    assert!((2..=5).all(|fingerprint| vms.take(&mut of(fingerprint)) == Some(b"other".to_vec())));
    vms.fetch(&first, after(20), b"first");
    assert_eq!(vms.take(&mut first), Some(b"first".to_vec()));
}

/// Its cell was taken by one that never published, and it took it back: the document in it is still
/// its own.
#[test]
fn a_document_that_outlived_its_cell_s_state_is_put_into_force_again() {
    let vms = Vms::new();
    vms.fetch(&of(1), after(1), b"a");
    (2..=4).for_each(|fingerprint| vms.fetch(&of(fingerprint), after(fingerprint), b"other"));
    assert!(vms.lease(&of(5), after(5)), "takes the first cell");
    (2..=4).for_each(|fingerprint| vms.fetch(&of(fingerprint), after(20), b"other"));
    vms.fetch(&of(1), after(21), b"a");
    assert_eq!(vms.take(&mut of(1)), Some(b"a".to_vec()));
}

#[test]
fn a_complaint_is_news_once_over_all_vms() {
    let vms = Vms::new();
    let [one, other] = [of(1), of(1)];
    assert!(vms.lease(&one, START));
    let keep = |document: &SharedDocument, complaint| document.keep(&vms.memory, &vms.keys, complaint).news;
    assert!(keep(&one, "late"));
    assert!(!keep(&other, "late"));
    assert!(keep(&other, "empty"));
    let publish = |document: &SharedDocument, complaint| {
        let good = Good { bytes: b"a", etag: None, complaint };
        let concluded = document.publish(&vms.memory, &vms.keys, good);
        (concluded.changed, concluded.news)
    };
    assert_eq!(publish(&one, Some("half")), (true, true));
    assert_eq!(publish(&other, Some("half")), (false, false));
    assert_eq!(publish(&other, None), (false, true));
    assert_eq!(publish(&one, None), (false, false));
}

#[test]
fn a_fetch_of_many_answers_keeps_its_lease() {
    let vms = Vms::new();
    let one = of(1);
    assert!(vms.lease(&one, START));
    one.renew(&vms.memory, &vms.keys, TIMEOUT, after(2));
    let lease = |now| of(1).lease(&vms.memory, &vms.keys, Duration::ZERO, TIMEOUT, now);
    assert!(!lease(after(4)));
    assert!(lease(after(5)));
}

#[test]
fn one_of_many_answers_is_fetched_less_often_hastened_or_not() {
    let vms = Vms::new();
    let one = of(1);
    // 33 answers: 15 s for the 30 beyond a few.
    assert!(vms.lease(&one, START));
    (0..32).for_each(|_| one.renew(&vms.memory, &vms.keys, TIMEOUT, START));
    vms.publish(&one, b"a");
    one.hasten(&vms.memory, &vms.keys);
    assert!(!vms.lease(&one, after(15).before(Duration::from_micros(1))));
    vms.fetch(&one, after(15), b"a");
    assert!(vms.lease(&one, after(25)), "one answer: as often as any");
}

#[test]
fn what_the_server_calls_the_document_is_known_to_all_vms() {
    let vms = Vms::new();
    let [one, other] = [of(1), of(1)];
    assert!(vms.lease(&one, START));
    assert_eq!(other.etag(&vms.memory, &vms.keys), None);
    let good = |etag| Good { bytes: b"a", etag, complaint: None };
    assert!(one.publish(&vms.memory, &vms.keys, good(Some("1"))).changed);
    assert_eq!(other.etag(&vms.memory, &vms.keys).as_deref(), Some("1"));
    assert!(!one.publish(&vms.memory, &vms.keys, good(Some("2"))).changed, "the same by another name");
    assert_eq!(other.etag(&vms.memory, &vms.keys).as_deref(), Some("2"));
    assert_eq!(of(2).etag(&vms.memory, &vms.keys), None, "another source");
}

#[test]
fn a_document_that_is_confirmed_has_the_faults_that_it_had() {
    let vms = Vms::new();
    let mut one = of(1);
    assert!(vms.lease(&one, START));
    let good = Good { bytes: b"a", etag: Some("1"), complaint: Some("half") };
    assert!(one.publish(&vms.memory, &vms.keys, good).news);
    assert!(vms.take(&mut one).is_some());
    let confirm = || one.confirm(&vms.memory, &vms.keys);
    assert!(!confirm().news);
    assert!(one.keep(&vms.memory, &vms.keys, "late").news);
    assert!(confirm().news, "it is back, as half as it was");
    assert!(!confirm().news && !confirm().changed);
    assert!(!vms.lease(&one, after(9)) && vms.lease(&one, after(10)));
    assert_eq!(vms.take(&mut one), None);
}
