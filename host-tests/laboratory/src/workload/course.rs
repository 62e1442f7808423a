//! Course of the load over time, relative to the asked rate.

use std::time::Duration;

/// A course's period.
pub(super) const COURSE_PERIOD: Duration = Duration::from_secs(300);
/// Start of the burst of [`Course::BURST`], from the start of each period.
pub(super) const BURST_STARTS: Duration = Duration::from_secs(120);
/// Length of the burst.
pub(super) const BURST_LENGTH: Duration = Duration::from_secs(30);

/// Factors of the rate at points in time, with straight lines in between, again and again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Course(&'static [Point]);

/// Seconds from the start of the period, ascending from 0 to its length; and the factor there, above 0. Two points at one time are a
/// jump.
type Point = (f64, f64);

const PERIOD_S: f64 = COURSE_PERIOD.as_secs() as f64;
const BURST_FROM_S: f64 = BURST_STARTS.as_secs() as f64;
const BURST_UNTIL_S: f64 = BURST_FROM_S + BURST_LENGTH.as_secs() as f64;

// === impl Course ===

impl Course {
    /// No change.
    pub const STEADY: Self = Self(&[(0.0, 1.0), (PERIOD_S, 1.0)]);

    /// Up from half the rate to one and a half of it, and down again, every five minutes.
    pub const RAMP: Self = Self(&[(0.0, 0.5), (PERIOD_S / 2.0, 1.5), (PERIOD_S, 0.5)]);

    /// Half the rate, and one and a half of it for half a minute in every five.
    pub const BURST: Self = Self(&[
        (0.0, 0.5),
        (BURST_FROM_S, 0.5),
        (BURST_FROM_S, 1.5),
        (BURST_UNTIL_S, 1.5),
        (BURST_UNTIL_S, 0.5),
        (PERIOD_S, 0.5),
    ]);

    /// A day in five minutes: a quiet night, a steep morning, a busy day with a dip at noon, an evening.
    pub const DAY: Self = Self(&[
        (0.0, 0.4),
        (PERIOD_S * 0.25, 0.4),
        (PERIOD_S * 0.4, 1.6),
        (PERIOD_S * 0.5, 1.2),
        (PERIOD_S * 0.6, 1.7),
        (PERIOD_S * 0.75, 1.2),
        (PERIOD_S, 0.4),
    ]);

    /// Returns the time at which the factor, summed over the time from the start, comes to so many
    /// seconds.
    pub(super) fn time_of(self, load_s: f64) -> Duration {
        let areas = self.0.windows(2).map(|line| area(line[0], line[1]));
        let per_period: f64 = areas.sum();
        let periods = (load_s / per_period).floor();
        let mut left = load_s - periods * per_period;
        let mut within_s = 0.0;
        for line in self.0.windows(2) {
            let (from, to) = (line[0], line[1]);
            if left < area(from, to) {
                within_s = from.0 + reach(from, to, left);
                break;
            }
            left -= area(from, to);
            within_s = to.0;
        }
        Duration::from_secs_f64(periods * PERIOD_S + within_s)
    }
}

fn area((from_s, from): Point, (to_s, to): Point) -> f64 {
    (to_s - from_s) * (from + to) / 2.0
}

/// Returns the distance along the line at which the area comes to so much: the root of
/// `from·x + slope·x²/2 = area`, in the form that holds for a slope of 0.
fn reach((from_s, from): Point, (to_s, to): Point, area: f64) -> f64 {
    let slope = (to - from) / (to_s - from_s);
    2.0 * area / (from + (from * from + 2.0 * slope * area).sqrt())
}
