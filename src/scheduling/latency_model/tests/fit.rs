use proptest::prelude::*;

use super::super::fit::{Sample, Sums, generic};
use super::super::step::StepModel;

/// Half as fast as the generic start, and with other proportions.
pub(super) const TRUTH: StepModel =
    StepModel { base_s: 0.040, per_request_s: 5e-5, per_context_token_s: 1.2e-6, per_prefill_token_s: 4e-4 };

/// Sample of a request on a pod of [`TRUTH`] that is `load` full, 0 to 1.
pub(super) fn sample(load: f64, prefill_tokens_per_step: f64) -> Sample {
    let (requests, context_tokens) = (20.0 * load, 15_000.0 * load);
    let step_s = TRUTH.step_s(requests, context_tokens) + TRUTH.per_prefill_token_s * prefill_tokens_per_step;
    Sample { requests, context_tokens, prefill_tokens_per_step, step_s, weight: 1.0 }
}

fn add(sums: &mut Sums, sample: &Sample) {
    sums.add(sample, sample.step_s, 0.998);
}

fn relative(found: f64, truth: f64) -> f64 {
    (found / truth - 1.0).abs()
}

#[test]
fn what_varies_is_learned_from_a_wrong_start() {
    let mut sums = Sums::default();
    let mut rng = fastrand::Rng::with_seed(1);
    (0..500).for_each(|_| add(&mut sums, &sample(rng.f64(), 50.0 * rng.f64())));
    let found = sums.solve(&generic());
    assert!(relative(found.base_s, TRUTH.base_s) < 0.02, "{found:?}");
    // Requests and context vary together here, so only their sum is known.
    let (full, seen) = (sample(1.0, 0.0), found.step_s(20.0, 15_000.0));
    assert!(relative(seen, full.step_s) < 0.02, "{found:?}");
    assert!(relative(found.per_prefill_token_s, TRUTH.per_prefill_token_s) < 0.03, "{found:?}");
}

#[test]
fn at_a_load_that_never_changes_the_prediction_there_is_learned_and_nothing_drifts() {
    let mut sums = Sums::default();
    let same = sample(0.5, 20.0);
    (0..5_000).for_each(|_| add(&mut sums, &same));
    let found = sums.solve(&generic());
    assert!(relative(same.expected_s(&found), same.step_s) < 0.01, "{found:?}");
    assert!(relative(found.per_context_token_s, generic().per_context_token_s) < 1.0, "{found:?}");
}

/// Pods that each request slows down by 2 ms, with short prompts: requests and context vary
/// together, and little.
#[test]
fn requests_that_slow_each_other_down_are_told_from_a_slow_start() {
    let truth = |requests: f64| 0.030 + 0.002 * requests;
    let mut sums = Sums::default();
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..200 {
        let requests = 18.0 + 8.0 * rng.f64();
        let step_s = truth(requests) * (0.9 + 0.2 * rng.f64());
        let context_tokens = requests * (60.0 + 10.0 * rng.f64());
        add(&mut sums, &Sample { requests, context_tokens, prefill_tokens_per_step: 0.0, step_s, weight: 1.0 });
    }
    let found = sums.solve(&generic());
    for requests in [10.0, 22.0, 40.0] {
        let predicted = found.step_s(requests, requests * 65.0);
        assert!(relative(predicted, truth(requests)) < 0.1, "{predicted} at {requests}: {found:?}");
    }
}

/// llama.cpp on a CPU, without a profile: a request more costs almost as much as the first, and
/// prompts are slow.
#[test]
fn a_server_that_gains_little_by_batching_is_learned_from_nothing() {
    let mut sums = Sums::default();
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..200 {
        let (requests, prefill) = (1.0 + 3.0 * rng.f64(), 20.0 * rng.f64());
        let step_s = 0.060 + 0.045 * requests + 0.02 * prefill;
        let context_tokens = requests * 400.0 * rng.f64();
        add(&mut sums, &Sample { requests, context_tokens, prefill_tokens_per_step: prefill, step_s, weight: 1.0 });
    }
    let found = sums.solve(&generic());
    assert!(relative(found.step_s(4.0, 800.0), 0.24) < 0.05, "{found:?}");
    assert!(relative(found.per_prefill_token_s, 0.02) < 0.1, "{found:?}");
}

#[test]
fn what_was_learned_long_ago_is_forgotten() {
    let mut sums = Sums::default();
    let mut rng = fastrand::Rng::with_seed(1);
    let mut slower = |factor: f64| {
        let sample = sample(rng.f64(), 50.0 * rng.f64());
        Sample { step_s: sample.step_s * factor, ..sample }
    };
    (0..1_000).for_each(|_| add(&mut sums, &slower(1.0)));
    (0..2_000).for_each(|_| add(&mut sums, &slower(1.3)));
    assert!(relative(sums.solve(&generic()).base_s, 1.3 * TRUTH.base_s) < 0.02);
}

fn anything() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), 0.0..1e6_f64, Just(f64::NAN), Just(f64::INFINITY), Just(-1.0), Just(0.0)]
}

proptest! {
    #[test]
    fn whatever_is_observed_the_model_stays_one_that_a_server_may_have(
        samples in prop::collection::vec((anything(), anything(), anything(), anything(), anything()), 0..50)
    ) {
        let mut sums = Sums::default();
        for (requests, context_tokens, prefill_tokens_per_step, step_s, weight) in samples {
            let sample = Sample { requests, context_tokens, prefill_tokens_per_step, step_s, weight };
            if sample.is_sane() {
                add(&mut sums, &sample);
            }
        }
        let StepModel { base_s, per_request_s, per_context_token_s, per_prefill_token_s } = sums.solve(&generic());
        prop_assert!((0.999e-3..=10.01).contains(&base_s));
        prop_assert!((0.0..=1.001).contains(&per_request_s));
        prop_assert!((0.0..=1.001e-3).contains(&per_context_token_s));
        prop_assert!((1e-6..=1.01).contains(&per_prefill_token_s));
    }
}
