//! Slack of a request: the time that it can still wait for a deployment with a profile.

use std::time::Duration;

use super::profile::Profile;
use super::shape::Shape;
use super::slo::Slo;
use super::time::Instant;

/// Seconds that a request which has waited this long can still wait on a deployment with this
/// profile and be expected to meet its target: target − waited − expected, negative once it is
/// late. AIBrix's rank is the negation.
///
/// `None` if nothing is promised, or if the profile has no latency for what is.
pub fn slack_s(slo: &Slo, shape: Shape, profile: &Profile, waited: Duration) -> Option<f64> {
    let expected = profile.expected_for(slo.kind()?, shape)?;
    Some(slo.target(shape)?.as_secs_f64() - waited.as_secs_f64() - expected.as_secs_f64())
}

/// Returns the latest instant at which a request must start to be expected to meet its target on a
/// deployment with this profile: arrival + target − expected, in the past if it never could. `None`
/// as for [`slack_s`].
pub fn latest_start(slo: &Slo, shape: Shape, profile: &Profile, arrival: Instant) -> Option<Instant> {
    Some(arrival.offset_seconds(slack_s(slo, shape, profile, Duration::ZERO)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { output_tokens: 100, input_tokens: 900 };

    const fn ms(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    fn profile() -> Profile {
        Profile::from_json(br#"{"gpu":"g","indexes":[[1],[1]],"tputs":[[2]],"e2e":[[3]],"ttft":[[0.25]]}"#).unwrap()
    }

    #[test]
    fn the_expectation_is_of_what_the_objective_looks_at() {
        let slack = |slo: Slo| slack_s(&slo, SHAPE, &profile(), Duration::from_millis(500));
        assert_eq!(slack(Slo { ttft: ms(1000), ..Slo::default() }), Some(1.0 - 0.5 - 0.25));
        assert_eq!(slack(Slo { ttft: ms(1000), tpot: ms(50), ..Slo::default() }), Some(6.0 - 0.5 - 3.0));
        assert_eq!(slack(Slo { e2e: ms(2000), ..Slo::default() }), Some(2.0 - 0.5 - 3.0));
        assert_eq!(slack(Slo::default()), None);
    }

    #[test]
    fn what_never_fits_should_have_started_before_it_arrived() {
        let arrival = Instant::from_micros(60_000_000);
        let start = |slo: Slo| latest_start(&slo, SHAPE, &profile(), arrival);
        assert_eq!(start(Slo { e2e: ms(4000), ..Slo::default() }), Some(Instant::from_micros(61_000_000)));
        assert_eq!(start(Slo { e2e: ms(2000), ..Slo::default() }), Some(Instant::from_micros(59_000_000)));
        assert_eq!(start(Slo::default()), None);
    }
}
