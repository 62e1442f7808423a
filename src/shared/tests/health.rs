use std::time::Duration;

use crate::scheduling::pool::{Model, ModelId, PodId};
use crate::scheduling::testing::START;
use crate::scheduling::time::Instant;
use crate::scheduling::view::Health;
use crate::shared::health::{Change, Failing, Sign};

fn pods(count: u8) -> Vec<PodId> {
    (0..count).map(|number| PodId::of(format!("10.0.0.{number}:8000").parse().unwrap())).collect()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const MOMENT: Duration = Duration::from_micros(1);

#[test]
fn a_failing_pod_is_out_for_a_second_doubling_up_to_half_a_minute() {
    let pods = pods(2);
    let mut failing = Failing::default();
    let mut now = START;
    for seconds in [1, 2, 4, 8, 16, 30, 30] {
        assert!(failed(&mut failing, pods[0], &pods, now));
        let end = now.after(secs(seconds));
        assert_eq!(failing.health(pods[0], end.before(MOMENT)), Health::Out, "{seconds} s");
        assert_eq!(failing.health(pods[0], end), Health::Probe, "{seconds} s");
        now = end;
    }
    for _ in 0..100 {
        now = now.after(secs(30));
        assert!(failed(&mut failing, pods[0], &pods, now), "no number of failures overflows");
    }
}

#[test]
fn failures_of_what_was_sent_before_count_once() {
    let pods = pods(2);
    let mut failing = Failing::default();
    assert!(failed(&mut failing, pods[0], &pods, START));
    assert!(!failed(&mut failing, pods[0], &pods, START.after(MOMENT)));
    assert_eq!(failing.health(pods[0], START.after(secs(1))), Health::Probe);
}

#[test]
fn one_request_probes() {
    let pods = pods(2);
    let mut failing = Failing::default();
    failed(&mut failing, pods[0], &pods, START);
    assert!(!failing.begin_probe(pods[0], START), "it is out");
    assert!(!failing.begin_probe(pods[1], START), "it is well");
    let now = START.after(secs(1));
    assert!(failing.begin_probe(pods[0], now));
    assert!(!failing.begin_probe(pods[0], now));
    assert_eq!(failing.health(pods[0], now), Health::Out);
}

#[test]
fn a_probe_that_shows_nothing_leaves_the_right_to_the_next() {
    let pods = pods(2);
    let mut failing = Failing::default();
    failed(&mut failing, pods[0], &pods, START);
    let now = START.after(secs(1));
    assert!(!failing.end_probe(pods[0]), "none is under way");
    failing.begin_probe(pods[0], now);
    assert!(failing.end_probe(pods[0]));
    assert_eq!(failing.health(pods[0], now), Health::Probe);
}

#[test]
fn after_a_probe_that_failed_comes_another() {
    let pods = pods(2);
    let mut failing = Failing::default();
    failed(&mut failing, pods[0], &pods, START);
    let now = START.after(secs(1));
    failing.begin_probe(pods[0], now);
    assert!(failed(&mut failing, pods[0], &pods, now));
    assert_eq!(failing.health(pods[0], now.after(secs(2))), Health::Probe);
}

#[test]
fn a_probe_whose_vm_died_is_given_up() {
    let pods = pods(2);
    let mut failing = Failing::default();
    failed(&mut failing, pods[0], &pods, START);
    let now = START.after(secs(1));
    failing.begin_probe(pods[0], now);
    assert_eq!(failing.health(pods[0], now.after(secs(30)).before(MOMENT)), Health::Out);
    assert_eq!(failing.health(pods[0], now.after(secs(30))), Health::Probe);
}

#[test]
fn a_pod_that_answers_is_up_and_its_next_failure_counts_as_the_first() {
    let pods = pods(2);
    let mut failing = Failing::default();
    for now in [START, START.after(secs(1))] {
        failed(&mut failing, pods[0], &pods, now);
    }
    let now = START.after(secs(2));
    assert!(recovered(&mut failing, pods[0], now) && !recovered(&mut failing, pods[0], now));
    assert_eq!((failing.health(pods[0], now), failing.is_empty()), (Health::Up, true));
    failed(&mut failing, pods[0], &pods, now);
    assert_eq!(failing.health(pods[0], now.after(secs(1))), Health::Probe);
}

/// Says whether that put the pod out.
fn failed(failing: &mut Failing, pod: PodId, pool: &[PodId], now: Instant) -> bool {
    failing.note(pod, Sign::Failed, pool, now).is_some()
}

/// Says whether it had failed.
fn recovered(failing: &mut Failing, pod: PodId, now: Instant) -> bool {
    failing.note(pod, Sign::Well, &[], now).is_some()
}

fn fail_all(failing: &mut Failing, failed: &[PodId], pool: &[PodId], now: Instant) -> usize {
    failed.iter().filter(|pod| self::failed(failing, **pod, pool, now)).count()
}

#[test]
fn never_more_than_half_the_pool_is_out() {
    for (count, most) in [(1, 0), (2, 1), (3, 1), (4, 2), (9, 4)] {
        let pods = pods(count);
        let mut failing = Failing::default();
        assert_eq!(fail_all(&mut failing, &pods, &pods, START), most, "of {count}");
        assert_eq!(failing.len(), most, "of {count}");
    }
}

#[test]
fn of_a_pool_that_shrank_to_failing_pods_half_is_up() {
    let pods = pods(4);
    let mut failing = Failing::default();
    fail_all(&mut failing, &pods[..2], &pods, START);
    assert!(!failing.keep_to(&pods));
    assert!(failing.keep_to(&pods[..2]));
    assert_eq!(failing.len(), 1);
}

#[test]
fn pods_that_are_gone_do_not_count() {
    let pods = pods(4);
    let mut failing = Failing::default();
    fail_all(&mut failing, &pods[..2], &pods, START);
    assert!(failed(&mut failing, pods[2], &pods[2..], START));
    assert_eq!(failing.len(), 1);
}

#[test]
fn a_pod_that_breaks_off_again_and_again_is_out() {
    let pods = pods(2);
    for (between, out) in [(Sign::Nothing, true), (Sign::There, true), (Sign::Well, false)] {
        let mut failing = Failing::default();
        for sign in [Sign::BrokeOff, Sign::BrokeOff, between, Sign::BrokeOff] {
            assert!(failing.is_empty());
            failing.note(pods[0], sign, &pods, START);
        }
        assert_eq!(!failing.is_empty(), out, "{between:?} between");
    }
}

#[test]
fn a_pod_that_serves_others_is_out_once_it_errs_in_more_than_a_third_of_its_answers() {
    for (good_between, out) in [(0, Some(3)), (1, Some(5)), (2, None)] {
        let (pods, mut failing) = (pods(2), Failing::default());
        let errors = (1..=50).find(|_| {
            let change = failing.note(pods[0], Sign::Erred, &pods, START);
            for _ in 0..good_between {
                failing.note(pods[0], Sign::Well, &pods, START);
            }
            change == Some(Change::Out)
        });
        assert_eq!(errors, out, "{good_between} good answers after each error");
    }
}

#[test]
fn a_probe_that_breaks_off_leaves_the_pod_out() {
    let pods = pods(2);
    let mut failing = Failing::default();
    failed(&mut failing, pods[0], &pods, START);
    let now = START.after(secs(1));
    failing.begin_probe(pods[0], now);
    failing.note(pods[0], Sign::BrokeOff, &pods, now);
    assert_eq!(failing.health(pods[0], now.after(secs(2)).before(MOMENT)), Health::Out);
}

#[test]
fn a_pod_that_is_silent_again_and_again_is_out_until_it_says_anything() {
    let pods = pods(2);
    for (between, out) in [(Sign::Nothing, true), (Sign::There, false), (Sign::BrokeOff, false), (Sign::Well, false)] {
        let mut failing = Failing::default();
        for sign in [Sign::Silent, Sign::Silent, between, Sign::Silent] {
            assert!(failing.is_empty());
            failing.note(pods[0], sign, &pods, START);
        }
        assert_eq!(!failing.is_empty(), out, "{between:?} between");
    }
}

#[test]
fn a_pod_that_is_full_is_out_for_as_long_as_it_says_whatever_ends_meanwhile() {
    let pods = pods(2);
    let mut failing = Failing::default();
    assert_eq!(failing.note(pods[0], Sign::Full(secs(3)), &pods, START), Some(Change::Full(secs(3))));
    assert_eq!(failing.note(pods[0], Sign::Well, &pods, START.after(secs(1))), None, "it had that before");
    assert_eq!(failing.note(pods[0], Sign::Full(secs(1)), &pods, START.after(secs(1))), None);
    let now = START.after(secs(3));
    assert_eq!(failing.health(pods[0], now.before(MOMENT)), Health::Out);
    assert_eq!(failing.health(pods[0], now), Health::Probe);
    assert_eq!(failing.note(pods[0], Sign::Full(secs(1)), &pods, now), Some(Change::Noted));
    assert_eq!(failing.health(pods[0], now), Health::Out);
    let now = now.after(secs(1));
    assert_eq!(failing.note(pods[0], Sign::Well, &pods, now), Some(Change::Back(START)));
}

#[test]
fn no_pod_says_that_it_is_full_for_ever() {
    let pods = pods(2);
    let mut failing = Failing::default();
    failing.note(pods[0], Sign::Full(Duration::MAX), &pods, START);
    assert_eq!(failing.health(pods[0], START.after(secs(30))), Health::Probe);
}

#[test]
fn a_pod_that_lacks_a_model_is_asked_for_it_again_after_a_second_doubling() {
    let pods = pods(2);
    let models = ["m", "n"].map(|name| ModelId::of(&Model { name: name.to_owned(), base: None }));
    let mut failing = Failing::default();
    assert_eq!(failing.missing.note(pods[0], models[0], &pods, START), Some(true));
    assert_eq!(failing.missing.now(START).collect::<Vec<_>>(), [(pods[0], models[0])]);
    assert!(failing.is_empty(), "it takes all other models");
    let now = START.after(secs(1));
    assert_eq!(failing.missing.now(now).count(), 0);
    assert_eq!(failing.missing.note(pods[0], models[0], &pods, now), Some(false));
    assert_eq!(failing.missing.now(now.after(secs(2)).before(MOMENT)).count(), 1);
    assert!(!failing.missing.found(pods[0], models[1]) && failing.missing.found(pods[0], models[0]));
    assert_eq!(failing.missing.now(now).count(), 0);
}

#[test]
fn a_model_that_no_pod_has_is_known_to_be_missing_from_half_of_them() {
    let pods = pods(4);
    let mut failing = Failing::default();
    for number in 0..1_000 {
        let model = ModelId::of(&Model { name: format!("made-up-{number}"), base: None });
        for pod in &pods {
            failing.missing.note(*pod, model, &pods, START);
        }
        assert_eq!(failing.missing.now(START).filter(|(_, lacking)| *lacking == model).count(), 2);
    }
    assert_eq!(failing.missing.now(START).count(), 64);
}

#[test]
fn a_pod_that_is_gone_is_not_taken_out_and_takes_no_place_of_those_that_are() {
    let pods = pods(3);
    let mut failing = Failing::default();
    assert_eq!(failing.note(pods[2], Sign::Failed, &pods[..2], START), None);
    assert_eq!(failing.note(pods[0], Sign::Failed, &pods[..2], START), Some(Change::Out));
    assert_eq!(failing.pods().collect::<Vec<_>>(), [pods[0]]);
}
