use std::time::Duration;

use proptest::prelude::*;

use super::super::ComputedShares;
use super::super::step::StepModel;
use crate::scheduling::load::Load;
use crate::scheduling::shape::Shape;
use crate::scheduling::slo::Slo;

const MODEL: StepModel =
    StepModel { base_s: 0.020, per_request_s: 1e-4, per_context_token_s: 1e-6, per_prefill_token_s: 2e-4 };

fn slo(per_token_ms: u64) -> Slo {
    Slo { e2e_per_output_token: Some(Duration::from_millis(per_token_ms)), ..Slo::default() }
}

#[test]
fn a_request_takes_its_term_of_what_the_objective_leaves() {
    let shape = Shape { output_tokens: 100, input_tokens: 500 };
    let capacity = MODEL.capacity(&slo(50), shape, &ComputedShares::ALL).unwrap();
    // b + c·550 + (0.2 ms · 501 − 17 ms)/100 = 0.1 + 0.55 + 0.832 ms of 50 − 20 ms, and 15 % more
    // of them are a full pod.
    assert!((capacity.load.as_share() - 1.482 / 30.0 / 1.15).abs() < 1e-5, "{capacity:?}");
    assert!(capacity.ttft_s > 0.0832 && capacity.e2e_s < 5.0, "{capacity:?}");
}

#[test]
fn what_not_even_an_idle_pod_keeps_or_asks_for_no_pace_has_no_capacity() {
    let shape = Shape { output_tokens: 100, input_tokens: 500 };
    assert_eq!(MODEL.capacity(&slo(20), shape, &ComputedShares::ALL), None);
    let first_token = Slo { ttft: Some(Duration::from_secs(1)), ..Slo::default() };
    assert_eq!(MODEL.capacity(&first_token, shape, &ComputedShares::ALL), None);
}

proptest! {
    #[test]
    fn longer_prompts_tighter_objectives_and_slower_pods_take_no_less(
        output in 1_u32..2_000, input in 0_u32..20_000, more in 0_u32..5_000, ms in 21_u64..200, factor in 1.0..1.5_f64,
    ) {
        let load = |model: &StepModel, input, ms| {
            let shape = Shape { output_tokens: output, input_tokens: input };
            model.capacity(&slo(ms), shape, &ComputedShares::ALL).map_or(Load::CAPACITY, |capacity| capacity.load)
        };
        let base = load(&MODEL, input, ms);
        prop_assert!(load(&MODEL, input.saturating_add(more), ms) >= base);
        prop_assert!(load(&MODEL, input, ms + 10) <= base);
        prop_assert!(load(&MODEL.slower_by(factor), input, ms) >= base);
    }
}
