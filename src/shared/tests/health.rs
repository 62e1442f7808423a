use std::time::Duration;

use crate::scheduling::pool::PodId;
use crate::scheduling::testing::START;
use crate::scheduling::time::Instant;
use crate::scheduling::view::Health;
use crate::shared::health::Failing;

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
        assert!(failing.failed(pods[0], &pods, now));
        let end = now.after(secs(seconds));
        assert_eq!(failing.health(pods[0], end.before(MOMENT)), Health::Out, "{seconds} s");
        assert_eq!(failing.health(pods[0], end), Health::Probe, "{seconds} s");
        now = end;
    }
    for _ in 0..100 {
        now = now.after(secs(30));
        assert!(failing.failed(pods[0], &pods, now), "no number of failures overflows");
    }
}

#[test]
fn failures_of_what_was_sent_before_count_once() {
    let pods = pods(2);
    let mut failing = Failing::default();
    assert!(failing.failed(pods[0], &pods, START));
    assert!(!failing.failed(pods[0], &pods, START.after(MOMENT)));
    assert_eq!(failing.health(pods[0], START.after(secs(1))), Health::Probe);
}

#[test]
fn one_request_probes() {
    let pods = pods(2);
    let mut failing = Failing::default();
    failing.failed(pods[0], &pods, START);
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
    failing.failed(pods[0], &pods, START);
    let now = START.after(secs(1));
    assert!(!failing.end_probe(pods[0]), "none is under way");
    failing.begin_probe(pods[0], now);
    assert!(failing.end_probe(pods[0]));
    assert_eq!(failing.health(pods[0], now), Health::Probe);
}

#[test]
fn a_probe_whose_vm_died_is_given_up() {
    let pods = pods(2);
    let mut failing = Failing::default();
    failing.failed(pods[0], &pods, START);
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
        failing.failed(pods[0], &pods, now);
    }
    let now = START.after(secs(2));
    assert!(failing.recovered(pods[0]) && !failing.recovered(pods[0]));
    assert_eq!((failing.health(pods[0], now), failing.is_empty()), (Health::Up, true));
    failing.failed(pods[0], &pods, now);
    assert_eq!(failing.health(pods[0], now.after(secs(1))), Health::Probe);
}

fn fail_all(failing: &mut Failing, failed: &[PodId], pool: &[PodId], now: Instant) -> usize {
    failed.iter().filter(|pod| failing.failed(**pod, pool, now)).count()
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
    assert!(failing.failed(pods[2], &pods[2..], START));
    assert_eq!(failing.len(), 1);
}
