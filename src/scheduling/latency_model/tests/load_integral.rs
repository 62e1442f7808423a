use std::time::Duration;

use super::super::load_integral::{Levels, LoadIntegral};
use crate::scheduling::testing::START;

fn at(seconds: f64) -> crate::scheduling::time::Instant {
    START.after(Duration::from_secs_f64(seconds))
}

#[test]
fn a_reading_tells_the_means_since_another() {
    let mut integral = LoadIntegral::new(START);
    integral.correct(Levels { requests: 2.0, context_tokens: 1_000.0, growth_per_s: 50.0 });
    integral.advance(at(2.0));
    let from = integral.read();
    integral.advance(at(4.0));
    integral.came(560.0, 560.0, 0.1, 0.0);
    integral.advance(at(6.0));
    let sample = integral.since(&from, 100.0);
    // Two requests for 2 s, three for 2 s. K from 1,100 to 1,200, then from 1,760 to 1,860.
    assert!((sample.requests - 2.5).abs() < 1e-9);
    assert!((sample.context_tokens - (1_150.0 + 1_810.0) / 2.0).abs() < 1e-9);
    assert!((sample.prefill_tokens_per_step - 5.0).abs() < 1e-9, "60 tokens are free");
    assert!((sample.step_s - 0.04).abs() < 1e-9);
}

#[test]
fn the_stalled_share_is_that_of_the_last_seconds() {
    let mut integral = LoadIntegral::new(START);
    for second in 1..=60 {
        integral.advance(at(f64::from(second)));
        integral.came(1.0, 1.0, 0.2, 0.0);
    }
    assert!((0.19..0.23).contains(&integral.stalled_share()), "{}", integral.stalled_share());
    integral.advance(at(66.0));
    assert!(integral.stalled_share() < 0.1);
    (0..100).for_each(|_| integral.came(1.0, 1.0, 1.0, 0.0));
    assert!(integral.stalled_share() <= 0.6);
}

#[test]
fn what_ended_without_having_come_leaves_no_debt() {
    let mut integral = LoadIntegral::new(START);
    integral.ended(100.0);
    integral.came(50.0, 50.0, 0.0, 0.0);
    assert_eq!(integral.requests(), 1.0);
}
