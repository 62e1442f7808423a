use std::cell::Cell;

use super::*;
use crate::scheduling::testing::START;
use crate::shared::memory::Memory;

const MODEL: &str = "m";

fn learning(kind: PredictionKind) -> Learning {
    Learning::new(Prediction { kind, cold_tokens: 256 })
}

fn sample(input_tokens: u32, output_tokens: u32) -> ResponseSample {
    let completion = Completion { input_tokens, output_tokens, completed_at: START };
    ResponseSample { completion: Some(completion), prompt_tokens: Some(input_tokens), ..ResponseSample::default() }
}

fn keys() -> Keys {
    Keys::of("p")
}

fn output(learning: &mut Learning, input_tokens: u32) -> u32 {
    learning.output_tokens(MODEL, input_tokens, Vec::new, START, &mut fastrand::Rng::with_seed(1))
}

#[test]
fn before_anything_is_known_estimates_are_cold() {
    for kind in [PredictionKind::Median, PredictionKind::Draw] {
        assert_eq!(output(&mut learning(kind), 100), 256, "{kind:?}");
    }
    let mut learning = learning(PredictionKind::Median);
    assert_eq!(learning.tokens_of_characters(MODEL, 4_240), 1_000);
    assert_eq!(learning.tokens_of_body(MODEL, Some(5_000)), 1_000);
    assert_eq!(learning.tokens_of_body(MODEL, None), 0);
}

#[test]
fn no_text_is_no_token_and_any_text_at_least_one() {
    let mut learning = learning(PredictionKind::Median);
    assert_eq!([0, 1].map(|characters| learning.tokens_of_characters(MODEL, characters)), [0, 1]);
    assert_eq!(learning.tokens_of_characters(MODEL, u64::MAX), u32::MAX);
}

#[test]
fn some_prompts_outvote_the_cold_ratios() {
    let mut learning = learning(PredictionKind::Median);
    for _ in 0..100 {
        let sample = ResponseSample { characters: Some(2_000), bytes: Some(3_000), ..sample(1_000, 1) };
        learning.record(MODEL, sample);
    }
    let off = |tokens: u32| (f64::from(tokens) / 1_000.0 - 1.0).abs();
    assert!(off(learning.tokens_of_characters(MODEL, 2_000)) < 0.05);
    assert!(off(learning.tokens_of_body(MODEL, Some(3_000))) < 0.05);
}

#[test]
fn events_are_as_many_tokens_as_servers_said() {
    let mut learning = learning(PredictionKind::Median);
    assert_eq!(learning.tokens_of_events(MODEL, 16), 16);
    (0..12)
        .for_each(|_| learning.record(MODEL, ResponseSample { events: Some((16, 48)), ..ResponseSample::default() }));
    assert!((44..=48).contains(&learning.tokens_of_events(MODEL, 16)));
}

#[test]
fn what_only_tells_of_the_prompt_changes_no_length() {
    let mut learning = learning(PredictionKind::Median);
    let sample = ResponseSample { prompt_tokens: Some(1_000), characters: Some(1_000), ..ResponseSample::default() };
    (0..100).for_each(|_| learning.record(MODEL, sample));
    assert_eq!(output(&mut learning, 1_000), 256);
    assert!(learning.tokens_of_characters(MODEL, 1_000) > 900);
}

#[test]
fn tokens_that_are_not_of_the_text_teach_nothing_of_its_characters() {
    let mut learning = learning(PredictionKind::Median);
    // A chat template's, what a server keeps, and what no tokenizer makes of a text.
    for (characters, tokens) in [(2, 70), (300, 170), (2_000, 20_000), (100_000, 10)] {
        for _ in 0..1_000 {
            learning.record(MODEL, ResponseSample { characters: Some(characters), ..sample(tokens, 1) });
        }
    }
    assert_eq!(learning.tokens_of_characters(MODEL, 424), 100);
}

#[test]
fn old_ratios_fade() {
    let mut ratio = Ratio::default();
    (0..10_000).for_each(|_| ratio.learn(8_000, 1_000));
    (0..5_000).for_each(|_| ratio.learn(2_000, 1_000));
    let tokens = ratio.tokens(2_000, 4.0, COLD_WEIGHT_TOKENS);
    assert!((900..=1_000).contains(&tokens), "{tokens}: five half-lives at 2 characters per token");
}

#[test]
fn what_tells_nothing_of_a_ratio_changes_none() {
    let mut ratio = Ratio::default();
    ratio.learn(0, 100);
    ratio.learn(100, 0);
    assert_eq!((ratio.units, ratio.tokens), (0.0, 0.0));
}

#[test]
fn a_body_of_unknown_size_counts_as_the_median_prompt() {
    let mut learning = learning(PredictionKind::Median);
    [10, 1_000, 30].into_iter().for_each(|input| learning.record(MODEL, sample(input, 1)));
    assert_eq!(learning.tokens_of_body(MODEL, None), 30);
}

#[test]
fn a_median_is_computed_once_for_each_bucket_until_what_is_known_changes() {
    let store = Memory::default();
    let mut learning = learning(PredictionKind::Median);
    learning.record(MODEL, sample(64, 10));
    let computed = Cell::new(0);
    let estimate = |learning: &mut Learning, input| {
        let running = || {
            computed.set(computed.get() + 1);
            Vec::new()
        };
        learning.output_tokens(MODEL, input, running, START, &mut fastrand::Rng::with_seed(1));
        computed.get()
    };
    assert_eq!(estimate(&mut learning, 64), 1);
    assert_eq!(estimate(&mut learning, 65), 1, "the same bucket");
    assert_eq!(estimate(&mut learning, 1_000), 2);
    learning.share(&store, &keys(), START);
    assert_eq!(estimate(&mut learning, 64), 3);
}

#[test]
fn what_one_vm_learns_the_others_know() {
    let store = Memory::default();
    let [mut one, mut other] = [(); 2].map(|()| learning(PredictionKind::Median));
    assert_eq!(output(&mut other, 64), 256);
    for _ in 0..20 {
        one.record(MODEL, ResponseSample { characters: Some(1_000), ..sample(64, 10) });
    }
    one.share(&store, &keys(), START);
    other.share(&store, &keys(), START);
    assert_eq!([output(&mut one, 64), output(&mut other, 64)], [10, 10]);
    assert_eq!(one.tokens_of_characters(MODEL, 9_999), other.tokens_of_characters(MODEL, 9_999));
}

#[test]
fn each_completion_counts_once_however_often_it_is_shared() {
    let store = Memory::default();
    let [mut one, mut other] = [(); 2].map(|()| learning(PredictionKind::Median));
    one.record(MODEL, sample(64, 10));
    other.record(MODEL, sample(64, 30));
    for _ in 0..3 {
        one.share(&store, &keys(), START);
        other.share(&store, &keys(), START);
    }
    let known: ModelStatistics = crate::shared::store::read(&store, &keys().lengths(MODEL)).0;
    assert_eq!(known.history.iter().map(|it| it.output_tokens).collect::<Vec<_>>(), [10, 30]);
    assert_eq!(one.models[MODEL].known.history.iter().count(), 2);
}

#[test]
fn models_do_not_learn_from_each_other() {
    let mut learning = learning(PredictionKind::Draw);
    learning.record("other", sample(64, 16));
    assert_eq!(output(&mut learning, 64), 256);
    learning.record(MODEL, sample(64, 16));
    assert_eq!(output(&mut learning, 64), 16);
}

#[test]
fn what_lies_long_back_is_forgotten() {
    let (store, mut learning) = (Memory::default(), learning(PredictionKind::Median));
    (0..30).for_each(|_| learning.record(MODEL, sample(100, 2_000)));
    learning.share(&store, &keys(), START);
    assert_eq!(output(&mut learning, 100), 2_000);
    learning.share(&store, &keys(), START.after(Duration::from_secs(3_000)));
    assert_eq!(output(&mut learning, 100), 2_000);
    learning.share(&store, &keys(), START.after(Duration::from_secs(3_601)));
    assert_eq!(output(&mut learning, 100), 256);
}

#[test]
fn a_model_is_known_in_all_vms_from_its_first_answer_on() {
    let store = Memory::default();
    let [mut one, mut other] = [(); 2].map(|()| learning(PredictionKind::Median));
    assert_eq!(one.label(MODEL, &store, &keys(), START), ("new".into(), false));
    let (label, is_new) = one.answered(MODEL, &store, &keys(), START);
    assert_eq!((&*label, is_new), (MODEL, true));
    (0..20).for_each(|_| one.record(&label, sample(64, 10)));
    assert_eq!(other.label(MODEL, &store, &keys(), START), ("new".into(), false), "nothing was shared yet");
    one.share(&store, &keys(), START);
    assert_eq!(other.label(MODEL, &store, &keys(), START), (MODEL.into(), true));
    assert_eq!(output(&mut other, 64), 10);
}

#[test]
fn names_that_are_only_asked_for_leave_nothing_behind() {
    let (store, mut learning) = (Memory::default(), learning(PredictionKind::Median));
    for n in 0..1_000 {
        let (label, _) = learning.label(&format!("made-up-{n}"), &store, &keys(), START);
        learning.tokens_of_characters(&label, 100);
    }
    assert_eq!(learning.models.len(), 1);
}

#[test]
fn events_of_one_token_each_are_as_many_tokens_however_long_it_was_learned() {
    let mut learning = Learning::new(Prediction { kind: PredictionKind::Median, cold_tokens: 100 });
    for answer in 1..200 {
        let tokens = 37 * answer % 911 + 1;
        learning.record("m", ResponseSample { events: Some((tokens, tokens)), ..ResponseSample::default() });
        for events in 1..300 {
            assert_eq!(learning.tokens_of_events("m", events), events);
        }
    }
}
