use super::super::fit::Sample;
use super::super::model::LatencyModel;
use super::super::observation::ExpectedPrompt;
use super::super::prompts::{ComputedPrompt, Evidence};
use super::fit::sample;
use crate::scheduling::pool::PodId;
use crate::scheduling::profile::Profile;

fn pod(number: u8) -> PodId {
    PodId::of(([10, 0, 0, number], 8000).into())
}

fn lessons(latency_model: &mut LatencyModel, count: u32, factor: f64) {
    for k in 0..count {
        let sample = sample(f64::from(k % 11) / 11.0, f64::from(k % 7) * 8.0);
        latency_model.learn(pod(1), Sample { step_s: sample.step_s * factor, ..sample });
    }
}

/// A profile of the [`super::fit::TRUTH`], slower by `factor`.
fn profile(factor: f64) -> Profile {
    let (outputs, inputs) = ([32.0, 128.0, 512.0], [64.0, 512.0]);
    let cells: Vec<Vec<(f64, f64)>> = outputs
        .iter()
        .map(|output| {
            inputs
                .iter()
                .map(|input| {
                    // 10 requests at once; the rate follows from Little's law, and the latency from
                    // the rate.
                    let mut e2e_s = 5.0;
                    for _ in 0..100 {
                        let prefill = 10.0 / e2e_s * (e2e_s / output) * (input - 60.0);
                        let step_s = super::fit::TRUTH.step_s(10.0, 10.0 * (input + output / 2.0))
                            + super::fit::TRUTH.per_prefill_token_s * prefill;
                        e2e_s = factor * step_s * (output - 1.0) + 0.1;
                    }
                    (10.0 / e2e_s, e2e_s)
                })
                .collect()
        })
        .collect();
    let field = |of: fn(&(f64, f64)) -> f64| -> Vec<Vec<f64>> {
        cells.iter().map(|row| row.iter().map(of).collect()).collect()
    };
    let document = serde_json::json!({
        "gpu": "g", "indexes": [outputs, inputs], "tputs": field(|cell| cell.0), "e2e": field(|cell| cell.1),
        "ttft": field(|_| 0.1),
    });
    Profile::from_json(document.to_string().as_bytes()).unwrap()
}

#[test]
fn without_a_profile_some_requests_are_learned_from_first() {
    let mut latency_model = LatencyModel::new(None);
    assert!(!latency_model.is_good());
    lessons(&mut latency_model, 29, 1.0);
    assert!(!latency_model.is_good());
    lessons(&mut latency_model, 60, 1.0);
    assert!(latency_model.is_good() && latency_model.error() < 0.1, "{}", latency_model.error());
}

#[test]
fn a_profile_is_relied_on_at_once_and_predicts_what_it_was_measured_on() {
    let latency_model = LatencyModel::new(Some(&profile(1.0)));
    assert!(latency_model.is_good());
    let seen = sample(0.5, 15.0);
    let relative = seen.expected_s(latency_model.model()) / seen.step_s;
    assert!((0.85..1.15).contains(&relative), "{relative}, {:?}", latency_model.model());
}

#[test]
fn a_profile_that_is_wrong_is_overcome_within_some_tens_of_requests() {
    let mut latency_model = LatencyModel::new(Some(&profile(1.0)));
    lessons(&mut latency_model, 80, 6.0);
    assert!(latency_model.is_good() && latency_model.error() < 0.1, "{}", latency_model.error());
}

#[test]
fn requests_that_scatter_around_what_is_predicted_do_not_make_a_model_worthless() {
    let mut latency_model = LatencyModel::new(Some(&profile(1.0)));
    for k in 0..400 {
        lessons(&mut latency_model, 1, if k % 2 == 0 { 1.5 } else { 0.7 });
        assert!(latency_model.is_good(), "{} after {k}", latency_model.error());
    }
    assert!(latency_model.error() > 0.3, "{}", latency_model.error());
}

/// On a llama.cpp server predictions are off by a half, one way and the other.
#[test]
fn however_much_they_scatter_the_model_is_relied_on_with_that_much_doubt() {
    let mut latency_model = LatencyModel::new(Some(&profile(1.0)));
    for k in 0..400 {
        lessons(&mut latency_model, 1, if k % 2 == 0 { 2.0 } else { 0.5 });
        assert!(latency_model.is_good(), "{} after {k}", latency_model.error());
    }
    assert!(latency_model.error() > 0.5, "{}", latency_model.error());
}

#[test]
fn a_model_that_all_requests_belie_is_not_relied_on() {
    let mut latency_model = LatencyModel::new(Some(&profile(1.0)));
    lessons(&mut latency_model, 100, 1.0);
    let lost_after = (1..100).find(|_| {
        lessons(&mut latency_model, 1, 8.0);
        !latency_model.is_good()
    });
    assert!(lost_after.is_some_and(|count| count < 20), "{lost_after:?}");
}

#[test]
fn a_server_that_became_slower_is_followed() {
    let mut latency_model = LatencyModel::new(Some(&profile(1.0)));
    lessons(&mut latency_model, 100, 1.0);
    lessons(&mut latency_model, 600, 1.3);
    assert!(latency_model.is_good() && latency_model.error() < 0.06, "{}", latency_model.error());
}

/// Pods that warm up are three times as slow for a minute, and then are not.
#[test]
fn a_change_of_the_whole_is_followed_within_a_few_dozen_answers_and_back() {
    let mut latency_model = LatencyModel::new(Some(&profile(1.0)));
    for factor in [1.0, 3.0, 1.0, 0.4] {
        lessons(&mut latency_model, 60, factor);
        let seen = sample(0.5, 15.0);
        let relative = seen.expected_s(latency_model.model()) / (factor * seen.step_s);
        assert!((0.8..1.25).contains(&relative), "{relative} at {factor}");
        assert!(latency_model.is_good(), "at {factor}");
    }
}

/// A prompt of which nothing is expected in a cache.
const PROMPT: ExpectedPrompt =
    ExpectedPrompt { tokens: 2_000.0, computed_tokens: 2_000.0, unexpected_tokens: 2_000.0, hit: None };

/// A prompt that no other held up, after which the first token came as late as with this cost of
/// each of its tokens.
fn prefill(per_token_s: f64) -> impl Fn(f64) -> Sample {
    move |computed_tokens| Sample {
        requests: 4.0,
        context_tokens: 2_000.0,
        prefill_tokens_per_step: computed_tokens,
        step_s: 0.03 + per_token_s * 2_000.0,
        weight: 0.5,
    }
}

#[test]
fn first_tokens_teach_how_fast_prompts_are_computed() {
    let mut latency_model = LatencyModel::new(Some(&profile(1.0)));
    latency_model.learn_prompt(ComputedPrompt {
        prompt_tokens: 2_000.0,
        share: 1.0,
        evidence: Evidence::Told,
        was_expected: false,
    });
    (0..60).for_each(|_| latency_model.learn_prefill(pod(1), &PROMPT, prefill(5e-4)));
    let learned = latency_model.model().per_prefill_token_s;
    assert!((4.5e-4..5.5e-4).contains(&learned), "{learned}");
}

#[test]
fn where_caches_are_not_told_an_early_first_token_says_nothing_of_computing() {
    let mut latency_model = LatencyModel::new(Some(&profile(1.0)));
    let before = *latency_model.model();
    (0..60).for_each(|_| latency_model.learn_prefill(pod(1), &PROMPT, prefill(0.0)));
    assert_eq!(*latency_model.model(), before);
    (0..60).for_each(|_| latency_model.learn_prefill(pod(1), &PROMPT, prefill(5e-4)));
    assert!(latency_model.model().per_prefill_token_s > 4e-4, "{:?}", latency_model.model());
}

#[test]
fn a_single_request_that_lies_far_off_changes_little() {
    let mut latency_model = LatencyModel::new(Some(&profile(1.0)));
    lessons(&mut latency_model, 300, 1.0);
    let before = latency_model.model().base_s;
    latency_model.learn(pod(1), Sample { step_s: 5.0, ..sample(0.5, 10.0) });
    assert!(
        (latency_model.model().base_s / before - 1.0).abs() < 0.3,
        "{} after {before}",
        latency_model.model().base_s
    );
}

#[test]
fn one_pod_that_became_slower_is_told_from_the_others() {
    let mut latency_model = LatencyModel::new(Some(&profile(1.0)));
    for k in 0..400_u32 {
        let sample = sample(f64::from(k % 11) / 11.0, f64::from(k % 7) * 8.0);
        let factor = if k % 4 == 0 { 2.0 } else { 1.0 };
        latency_model.learn(pod((k % 4) as u8), Sample { step_s: sample.step_s * factor, ..sample });
    }
    let relative = latency_model.factor_of(pod(0)) / latency_model.factor_of(pod(1));
    assert!((1.8..2.1).contains(&relative), "{relative}");
    let expected = sample(0.5, 15.0);
    let predicted = expected.expected_s(&latency_model.model_of(pod(1))) / expected.step_s;
    assert!((0.9..1.1).contains(&predicted), "{predicted}");
    for k in 0..400_u32 {
        latency_model.learn(pod((k % 4) as u8), sample(f64::from(k % 11) / 11.0, 10.0));
    }
    let relative = latency_model.factor_of(pod(0)) / latency_model.factor_of(pod(1));
    assert!((0.95..1.05).contains(&relative), "it recovered: {relative}");
}

#[test]
fn what_a_pod_is_taken_to_differ_by_is_bounded() {
    let mut latency_model = LatencyModel::new(Some(&profile(1.0)));
    for factor in [1_000.0, 0.001] {
        for k in 0..300_u32 {
            latency_model.learn(pod((k % 4) as u8), sample(0.5, 15.0));
            latency_model.learn(pod(9), Sample { step_s: (0.04_f64 * factor).clamp(1e-3, 9.0), ..sample(0.5, 15.0) });
        }
        assert!((0.49..=3.01).contains(&latency_model.factor_of(pod(9))), "{}", latency_model.factor_of(pod(9)));
    }
}
