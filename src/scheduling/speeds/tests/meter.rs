use std::time::Duration;

use super::super::meter::{Levels, Meter};
use crate::scheduling::testing::START;

fn at(seconds: f64) -> crate::scheduling::time::Instant {
    START.after(Duration::from_secs_f64(seconds))
}

#[test]
fn a_reading_tells_the_means_since_another() {
    let mut meter = Meter::new(START);
    meter.correct(Levels { requests: 2.0, context_tokens: 1_000.0, growth_per_s: 50.0 });
    meter.advance(at(2.0));
    let from = meter.read();
    meter.advance(at(4.0));
    meter.came(560.0, 560.0, 0.1, 0.0);
    meter.advance(at(6.0));
    let sample = meter.since(&from, 100.0);
    // Two requests for 2 s, three for 2 s. K from 1,100 to 1,200, then from 1,760 to 1,860.
    assert!((sample.requests - 2.5).abs() < 1e-9);
    assert!((sample.context_tokens - (1_150.0 + 1_810.0) / 2.0).abs() < 1e-9);
    assert!((sample.prefill_tokens_per_step - 5.0).abs() < 1e-9, "60 tokens are free");
    assert!((sample.step_s - 0.04).abs() < 1e-9);
}

#[test]
fn the_stalled_share_is_that_of_the_last_seconds() {
    let mut meter = Meter::new(START);
    for second in 1..=60 {
        meter.advance(at(f64::from(second)));
        meter.came(1.0, 1.0, 0.2, 0.0);
    }
    assert!((0.19..0.23).contains(&meter.stalled_share()), "{}", meter.stalled_share());
    meter.advance(at(66.0));
    assert!(meter.stalled_share() < 0.1);
    (0..100).for_each(|_| meter.came(1.0, 1.0, 1.0, 0.0));
    assert!(meter.stalled_share() <= 0.6);
}

#[test]
fn what_ended_without_having_come_leaves_no_debt() {
    let mut meter = Meter::new(START);
    meter.ended(100.0);
    meter.came(50.0, 50.0, 0.0, 0.0);
    assert_eq!(meter.requests(), 1.0);
}
