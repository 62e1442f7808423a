use std::time::Duration;

use proptest::prelude::*;

use super::super::completion_window::{CompletionWindow, Limits};
use crate::scheduling::shape::Shape;
use crate::scheduling::slo::{Outcome, Slo};

/// First token after 0.5 s, then 40 ms per token: an answer of x tokens ends after 0.46 + 0.04·x
/// seconds.
const COURSE: CompletionWindow = CompletionWindow { first_token_s: 0.5, start_s: 0.46, per_token_s: 0.04 };

fn ms(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}

/// The lengths that keep `slo`, to the tenth of a token.
fn kept(slo: Slo) -> (f64, f64) {
    let lengths = Limits::of(&slo, 100.0).kept_by(&COURSE);
    let tenths = |tokens: f64| (tokens * 10.0).round() / 10.0;
    (tenths(*lengths.start()), tenths(*lengths.end()))
}

#[test]
fn each_objective_is_kept_by_an_interval_of_lengths() {
    let none = Slo::default();
    let all = (0.0, f64::INFINITY);
    let no_length = (f64::INFINITY, f64::NEG_INFINITY);
    assert_eq!(kept(none), all);
    assert_eq!(kept(Slo { ttft: ms(500), ..none }), all);
    assert_eq!(kept(Slo { ttft: ms(499), ..none }), no_length);
    // 0.46 + 0.04·x ≤ 4.46
    assert_eq!(kept(Slo { e2e: ms(4_460), ..none }), (0.0, 100.0));
    // 0.46 + 0.04·x ≤ 0.05·x
    assert_eq!(kept(Slo { e2e_per_output_token: ms(50), ..none }), (46.0, f64::INFINITY));
    // 0.46 + 0.04·x ≤ 0.36 + 0.05·x
    assert_eq!(kept(Slo { e2e_per_output_token: ms(50), e2e_base: ms(360), ..none }), (10.0, f64::INFINITY));
    // 0.46 + 0.04·x ≤ 1.46 + 0.03·x
    assert_eq!(kept(Slo { e2e_per_output_token: ms(30), e2e_base: ms(1_460), ..none }), (0.0, 100.0));
    // 0.46 + 0.04·x ≤ 0.02·(100 + x)
    assert_eq!(kept(Slo { e2e_per_token: ms(20), ..none }), (0.0, 77.0));
    // Tokens come each 40 ms: whatever the length, within 50 ms; and of some length in 30 ms each,
    // one at most.
    assert_eq!(kept(Slo { tpot: ms(50), ..none }).1, f64::INFINITY);
    assert_eq!(kept(Slo { tpot: ms(30), ..none }), (0.0, 1.0));
}

#[test]
fn objectives_together_are_kept_by_what_keeps_each() {
    let slo = Slo { e2e_per_output_token: ms(50), e2e: ms(4_460), ..Slo::default() };
    assert_eq!(kept(slo), (46.0, 100.0));
}

#[test]
fn the_pace_that_objectives_ask_for_is_the_tightest() {
    let shape = Shape { output_tokens: 100, input_tokens: 1 };
    let slo = Slo { e2e: ms(10_000), e2e_per_output_token: ms(50), e2e_base: ms(1_000), ..Slo::default() };
    // 10 s / 100 tokens; 1 s / 100 tokens + 50 ms
    assert_eq!(slo.pace(shape), ms(60));
    assert_eq!(Slo { ttft: ms(1), ..Slo::default() }.pace(shape), None);
}

proptest! {
    /// The interval says what judging each length by itself says.
    #[test]
    fn the_interval_agrees_with_the_judgement_of_each_length(
        ttft in prop::option::of(1_u64..3_000), tpot in prop::option::of(1_u64..100), e2e in prop::option::of(1_u64..20_000),
        each in prop::option::of(1_u64..100), base in prop::option::of(1_u64..3_000), total in prop::option::of(1_u64..100),
        first_token in 1_u32..2_000, per_token in 1_u32..100, input_tokens in 1_u32..500, output_tokens in 2_u32..500,
    ) {
        let of = |millis: Option<u64>| millis.and_then(ms);
        let slo = Slo {
            ttft: of(ttft), tpot: of(tpot), e2e: of(e2e),
            e2e_per_output_token: of(each), e2e_base: of(base), e2e_per_token: of(total),
        };
        let (first_token_s, per_token_s) = (f64::from(first_token) / 1e3, f64::from(per_token) / 1e3);
        let course = CompletionWindow { first_token_s, start_s: first_token_s - per_token_s, per_token_s };
        let lengths = Limits::of(&slo, f64::from(input_tokens)).kept_by(&course);
        let ttft = Duration::from_millis(first_token.into());
        let outcome = Outcome {
            shape: Shape { output_tokens, input_tokens },
            cached_tokens: None,
            ttft,
            e2e: ttft + Duration::from_millis(per_token.into()) * (output_tokens - 1),
        };
        // Within a rounding of the ends both answers are right.
        let length = f64::from(output_tokens);
        prop_assume!([lengths.start(), lengths.end()].iter().all(|end| (**end - length).abs() > 1e-6));
        prop_assert_eq!(lengths.contains(&length), slo.kept(&outcome));
    }
}
