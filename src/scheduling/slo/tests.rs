use std::time::Duration;

use proptest::prelude::*;

use super::{Outcome, Slo, SloKind};
use crate::scheduling::shape::Shape;

const SHAPE: Shape = Shape { output_tokens: 100, input_tokens: 900 };

const fn ms(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}

const NONE: Slo =
    Slo { ttft: None, tpot: None, e2e: None, e2e_per_output_token: None, e2e_base: None, e2e_per_token: None };
const ALL: Slo = Slo {
    ttft: ms(1000),
    tpot: ms(50),
    e2e: ms(4000),
    e2e_per_output_token: ms(60),
    e2e_base: ms(500),
    e2e_per_token: ms(10),
};

#[test]
fn kinds_take_precedence_in_aibrix_s_order() {
    let mut slo = ALL;
    assert_eq!(slo.kind(), Some(SloKind::Tpot));
    slo.tpot = None;
    assert_eq!(slo.kind(), Some(SloKind::E2ePerOutputToken));
    slo.e2e_per_output_token = None;
    assert_eq!(slo.kind(), Some(SloKind::Ttft));
    slo.ttft = None;
    assert_eq!(slo.kind(), Some(SloKind::E2ePerToken));
    slo.e2e_per_token = None;
    assert_eq!(slo.kind(), Some(SloKind::E2e));
}

#[test]
fn a_base_alone_promises_nothing() {
    let base = Slo { e2e_base: ms(500), ..NONE };
    assert!(base.is_empty() && NONE.is_empty() && !ALL.is_empty());
    assert_eq!(base.target(SHAPE), None);
}

#[test]
fn each_kind_has_its_target() {
    let targets = [
        (Slo { tpot: ms(50), ..NONE }, ms(5000)),
        (Slo { tpot: ms(50), ttft: ms(1000), ..NONE }, ms(6000)),
        (Slo { e2e_per_output_token: ms(60), ..NONE }, ms(6000)),
        (Slo { e2e_per_output_token: ms(60), e2e_base: ms(500), ..NONE }, ms(6500)),
        (Slo { ttft: ms(1000), ..NONE }, ms(1000)),
        (Slo { e2e_per_token: ms(10), ..NONE }, ms(10_000)),
        (Slo { e2e: ms(4000), ..NONE }, ms(4000)),
    ];
    for (slo, target) in targets {
        assert_eq!(slo.target(SHAPE), target, "{slo:?}");
    }
}

#[test]
fn an_objective_is_kept_up_to_its_limit() {
    // (objective, latest first token, latest end) that keep it, in ms; 100 tokens out have 99 gaps.
    let limits = [
        (Slo { ttft: ms(1000), ..NONE }, 1000, None),
        (Slo { tpot: ms(50), ..NONE }, 1000, Some(1000 + 99 * 50)),
        (Slo { e2e: ms(4000), ..NONE }, 1000, Some(4000)),
        (Slo { e2e_per_output_token: ms(60), e2e_base: ms(500), ..NONE }, 1000, Some(6500)),
        (Slo { e2e_per_token: ms(10), ..NONE }, 1000, Some(10_000)),
    ];
    let kept = |slo: &Slo, ttft, e2e| {
        slo.kept(&Outcome {
            shape: SHAPE,
            cached_tokens: None,
            ttft: Duration::from_millis(ttft),
            e2e: Duration::from_millis(e2e),
        })
    };
    for (slo, ttft, e2e) in limits {
        match e2e {
            Some(e2e) => assert!(kept(&slo, ttft, e2e) && !kept(&slo, ttft, e2e + 1), "{slo:?}"),
            None => assert!(kept(&slo, ttft, 99_999) && !kept(&slo, ttft + 1, 99_999), "{slo:?}"),
        }
    }
}

#[test]
fn one_missed_objective_breaks_the_slo() {
    let slo = Slo { ttft: ms(1000), tpot: ms(50), ..NONE };
    let outcome = |ttft, e2e| Outcome {
        shape: SHAPE,
        cached_tokens: None,
        ttft: Duration::from_millis(ttft),
        e2e: Duration::from_millis(e2e),
    };
    assert!(slo.kept(&outcome(1000, 5950)));
    assert!(!slo.kept(&outcome(1001, 5950)));
    assert!(!slo.kept(&outcome(1000, 5951)));
}

#[test]
fn answers_without_gaps_keep_any_time_between_tokens() {
    let slo = Slo { tpot: ms(1), ..NONE };
    for output_tokens in [0, 1] {
        let shape = Shape { output_tokens, input_tokens: 10 };
        assert!(slo.kept(&Outcome { shape, cached_tokens: None, ttft: Duration::ZERO, e2e: Duration::from_secs(9) }));
    }
}

proptest! {
    #[test]
    fn any_objective_of_any_shape_has_a_target(
        values in prop::array::uniform6(prop::option::of(any::<Duration>())),
        output_tokens in any::<u32>(),
        input_tokens in any::<u32>(),
        ttft in any::<Duration>(),
        e2e in any::<Duration>(),
    ) {
        let [first, tpot, end, e2e_per_output_token, e2e_base, e2e_per_token] = values;
        let slo = Slo { ttft: first, tpot, e2e: end, e2e_per_output_token, e2e_base, e2e_per_token };
        let shape = Shape { output_tokens, input_tokens };
        prop_assert_eq!(slo.target(shape).is_some(), !slo.is_empty());
        if slo.is_empty() {
            let kept = slo.kept(&Outcome { shape, cached_tokens: None, ttft, e2e });
            prop_assert!(kept);
        }
    }
}

#[test]
fn nothing_per_output_token_says_anything_of_what_has_none() {
    let (none, some) = (Shape { output_tokens: 0, input_tokens: 8 }, Shape { output_tokens: 1, input_tokens: 8 });
    let ms = |ms| Some(Duration::from_millis(ms));
    let per_token = Slo { e2e_per_output_token: ms(50), e2e_base: ms(100), ..Slo::default() };
    assert_eq!((per_token.applied_to(none), per_token.applied_to(some)), (None, Some(per_token)));
    let both = Slo { ttft: ms(500), tpot: ms(50), ..Slo::default() };
    assert_eq!(both.applied_to(none), Some(Slo { ttft: ms(500), ..Slo::default() }));
    assert_eq!(both.applied_to(some), Some(both));
}
