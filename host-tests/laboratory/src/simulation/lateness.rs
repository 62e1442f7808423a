//! Lateness of an answer that missed its objective.

use std::time::Duration;

use slo_router::scheduling::slo::{Outcome, Slo};

/// Returns the excess over the worst of its objectives: the first token or the end came so much
/// after it should have.
pub fn lateness(slo: &Slo, outcome: &Outcome) -> Duration {
    let Outcome { shape, ttft, e2e, .. } = *outcome;
    let beyond = |actual: Duration, limit: Option<Duration>| limit.map(|limit| actual.saturating_sub(limit));
    let gaps = shape.output_tokens.saturating_sub(1);
    let per_output = |value: Duration| value * shape.output_tokens + slo.e2e_base.unwrap_or_default();
    let excesses = [
        beyond(ttft, slo.ttft),
        beyond(e2e.saturating_sub(ttft), slo.tpot.filter(|_| gaps > 0).map(|tpot| tpot * gaps)),
        beyond(e2e, slo.e2e),
        beyond(e2e, slo.e2e_per_output_token.map(per_output)),
        beyond(e2e, slo.e2e_per_token.map(|value| value * (shape.input_tokens + shape.output_tokens))),
    ];
    excesses.into_iter().flatten().max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use slo_router::scheduling::shape::Shape;

    use super::*;
    use crate::objectives::{SLO_A, SLO_B, SLO_C, SLO_E2E};

    fn late_ms(slo: &Slo, output_tokens: u32, ttft_ms: u64, e2e_ms: u64) -> u128 {
        let outcome = Outcome {
            shape: Shape { output_tokens, input_tokens: 100 },
            cached_tokens: None,
            ttft: Duration::from_millis(ttft_ms),
            e2e: Duration::from_millis(e2e_ms),
        };
        assert_eq!(slo.kept(&outcome), lateness(slo, &outcome).is_zero(), "{slo:?} {outcome:?}");
        lateness(slo, &outcome).as_millis()
    }

    #[test]
    fn an_end_is_late_by_what_it_comes_after_the_objectives_end() {
        assert_eq!(late_ms(&SLO_A, 10, 100, 500), 0);
        assert_eq!(late_ms(&SLO_A, 10, 100, 700), 200);
        assert_eq!(late_ms(&SLO_C, 10, 100, 1_700), 200);
        assert_eq!(late_ms(&SLO_E2E, 10, 100, 30_000), 10_000);
    }

    #[test]
    fn a_first_token_and_a_pace_are_late_each_by_itself() {
        assert_eq!(late_ms(&SLO_B, 11, 1_300, 1_500), 300);
        assert_eq!(late_ms(&SLO_B, 11, 900, 1_900), 500);
        assert_eq!(late_ms(&SLO_B, 1, 900, 1_900), 0);
    }
}
