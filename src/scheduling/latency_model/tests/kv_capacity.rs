use std::time::Duration;

use super::super::kv_capacity::KvCapacity;
use crate::scheduling::testing::START;

fn at(seconds: f64) -> crate::scheduling::time::Instant {
    START.after(Duration::from_secs_f64(seconds))
}

#[test]
fn nothing_is_known_before_a_pod_is_late() {
    assert!(KvCapacity::seen(None, 50_000.0, false, START).is_none());
    assert_eq!(KvCapacity::seen(None, 9_000.0, true, START).unwrap().tokens(), 9_000.0);
}

#[test]
fn what_late_pods_hold_is_followed() {
    let mut room = KvCapacity::seen(None, 20_000.0, true, START);
    for tenth in 1..100 {
        room = KvCapacity::seen(room, 10_000.0, true, at(f64::from(tenth) / 10.0));
    }
    assert!((10_000.0..10_200.0).contains(&room.unwrap().tokens()), "{room:?}");
}

#[test]
fn it_grows_while_nothing_is_late_and_is_at_least_what_was_seen() {
    let room = KvCapacity::seen(None, 10_000.0, true, START);
    let later = KvCapacity::seen(room, 100.0, false, at(10.0)).unwrap().tokens();
    assert!((11_000.0..11_100.0).contains(&later), "{later}");
    assert_eq!(KvCapacity::seen(room, 30_000.0, false, at(1.0)).unwrap().tokens(), 30_000.0);
}
