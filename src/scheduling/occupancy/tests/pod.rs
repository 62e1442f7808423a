use std::rc::Rc;
use std::time::Duration;

use super::super::{Occupancy, Pace, Spread};
use crate::scheduling::latency_model::StepModel;
use crate::scheduling::prediction::{LengthDistribution, OutputLengths};
use crate::scheduling::run::{Progress, Run};
use crate::scheduling::slo::Slo;
use crate::scheduling::testing::START;
use crate::scheduling::time::Instant;
use crate::scheduling::weight::Weight;

/// 20 ms per step whatever is on the pod; a prompt of p tokens stalls for 0.1·(p + n) − 17 ms.
const MODEL: StepModel =
    StepModel { base_s: 0.020, per_request_s: 0.0, per_context_token_s: 0.0, per_prefill_token_s: 1e-4 };

fn after(millis: u64) -> Instant {
    START.after(Duration::from_millis(millis))
}

fn run(prompt_tokens: u32, placed_at: Instant, progress: Progress) -> Run {
    Run {
        prompt_tokens,
        computed_tokens: prompt_tokens.into(),
        arrived_at: START,
        placed_at,
        progress,
        slo: Slo { e2e_per_output_token: Some(Duration::from_millis(50)), ..Slo::default() },
        lengths: Some(OutputLengths::new(Rc::new(LengthDistribution::certain(100)), u32::MAX)),
        weight: Weight::default(),
    }
}

fn reckon(runs: &[Run], now: Instant) -> Occupancy {
    Occupancy::reckon(runs, u32::try_from(runs.len()).unwrap(), &MODEL, now)
}

fn spread(of: f64) -> Spread {
    Spread { slower: of, faster: of }
}

fn decoding(tokens: u32, seen_at: Instant) -> Progress {
    Progress::Decoding { first_token_at: after(100), tokens, seen_at }
}

#[test]
fn context_is_prompts_and_answers_so_far_and_streams_go_on_unseen() {
    let runs = [run(300, START, decoding(10, after(900))), run(50, START, decoding(5, after(1_000)))];
    let occupancy = reckon(&runs, after(1_000));
    // 100 ms unseen are 5 steps of the first one.
    assert_eq!((occupancy.requests, occupancy.context_tokens), (2.0, 300.0 + 15.0 + 50.0 + 5.0));
    assert_eq!(occupancy.prefill_left_s, 0.0);
}

#[test]
fn prompts_are_computed_one_after_the_other() {
    // With 2 requests: 0.1 · (168 + 2) − 17 = 0 ms and 0.1 · (998 + 2) − 17 = 83 ms, and a step for
    // each.
    let runs = [run(168, after(1_000), Progress::Prefilling), run(998, after(1_000), Progress::Prefilling)];
    let occupancy = reckon(&runs, after(1_000));
    assert!((occupancy.prefill_left_s - 0.123).abs() < 1e-6, "{}", occupancy.prefill_left_s);
    let first_tokens: Vec<f64> = occupancy.streams.iter().map(|stream| stream.first_token_s).collect();
    assert!((first_tokens[0] - 1.020).abs() < 1e-6 && (first_tokens[1] - 1.123).abs() < 1e-6);
}

#[test]
fn an_answer_that_is_not_streamed_is_reckoned_from_its_placement() {
    let runs = [run(169, START, Progress::Unseen)];
    let occupancy = reckon(&runs, after(1_020));
    // First token after 20 ms, then 50 steps of 20 ms.
    assert!((occupancy.streams[0].tokens - 51.0).abs() < 1e-6, "{}", occupancy.streams[0].tokens);
    assert_eq!(occupancy.prefill_left_s, 0.0);
}

#[test]
fn a_prompt_that_is_overdue_is_expected_to_take_half_as_long_again() {
    let runs = [run(169, START, Progress::Prefilling)];
    let occupancy = reckon(&runs, after(1_020));
    assert!((occupancy.prefill_left_s - 0.5).abs() < 1e-6, "{}", occupancy.prefill_left_s);
    assert_eq!(occupancy.streams[0].tokens, 0.0);
}

#[test]
fn a_stream_keeps_its_objective_if_what_is_left_of_it_is_fast_enough() {
    // 50 of 100 tokens after 3 s: 2 s are left for 50 tokens, 40 ms for each.
    let runs = [run(10, START, decoding(50, after(3_000)))];
    let occupancy = reckon(&runs, after(3_000));
    let kept = |per_token_s, delay_s| occupancy.streams[0].keeps(&Pace { delay_s, per_token_s, spread: spread(0.0) });
    assert_eq!([kept(0.039, 0.0), kept(0.041, 0.0)], [1.0, 0.0]);
    assert_eq!([kept(0.039, 0.04), kept(0.039, 0.06)], [1.0, 0.0]);
}

#[test]
fn an_uncertain_pace_makes_a_probability_of_a_certainty() {
    let runs = [run(10, START, decoding(50, after(3_000)))];
    let occupancy = reckon(&runs, after(3_000));
    let kept = |per_token_s| occupancy.streams[0].keeps(&Pace { delay_s: 0.0, per_token_s, spread: spread(0.1) });
    // Nodes at −17 %, 0 and +17 % with weights 1/6, 4/6, 1/6.
    assert!((kept(0.030) - 1.0).abs() < 1e-9 && (kept(0.038) - 5.0 / 6.0).abs() < 1e-9);
    assert!((kept(0.045) - 1.0 / 6.0).abs() < 1e-9 && kept(0.060).abs() < 1e-9);
}

#[test]
fn where_paces_only_get_slower_an_overfull_pod_gives_no_hope() {
    let runs = [run(10, START, decoding(50, after(3_000)))];
    let occupancy = reckon(&runs, after(3_000));
    let spread = Spread { slower: 0.3, faster: 0.0 };
    let kept = |per_token_s| occupancy.streams[0].keeps(&Pace { delay_s: 0.0, per_token_s, spread });
    assert!((kept(0.039) - 5.0 / 6.0).abs() < 1e-9 && kept(0.041).abs() < 1e-9);
}

#[test]
fn when_a_first_token_comes_is_uncertain_until_it_came() {
    let pace = Pace { delay_s: 0.0, per_token_s: 0.020, spread: spread(0.1) };
    let kept = |progress, ttft_ms| {
        let slo = Slo { ttft: Some(Duration::from_millis(ttft_ms)), ..Slo::default() };
        // A prompt of 8,000 tokens takes 783 ms, and the step after it 20.
        reckon(&[Run { slo, ..run(8_000, START, progress) }], START).streams[0].keeps(&pace)
    };
    // Expected after 803 ms, and after 1,081 where it takes 35 % longer.
    let expected = [(790, 0.0), (810, 5.0 / 6.0), (1_080, 5.0 / 6.0), (1_090, 1.0)];
    for (ttft_ms, share) in expected {
        assert!((kept(Progress::Prefilling, ttft_ms) - share).abs() < 1e-9, "{ttft_ms} ms");
    }
    assert_eq!([99, 100].map(|ttft_ms| kept(decoding(1, START), ttft_ms)), [0.0, 1.0]);
}

#[test]
fn what_is_counted_and_not_known_is_taken_to_be_like_what_is_known() {
    let runs = [run(300, START, decoding(10, after(1_000))), run(50, START, decoding(10, after(1_000)))];
    let occupancy = Occupancy::reckon(&runs, 4, &MODEL, after(1_000));
    assert_eq!((occupancy.requests, occupancy.context_tokens), (4.0, 2.0 * 370.0));
}

#[test]
fn where_nothing_is_known_of_what_is_counted_its_context_is_supposed() {
    let contexts = |runs: &[Run]| {
        let mut occupancy = Occupancy::reckon(runs, 3, &MODEL, after(1_000));
        occupancy.suppose(500.0);
        (occupancy.requests, occupancy.context_tokens)
    };
    assert_eq!(contexts(&[]), (3.0, 1_500.0));
    assert_eq!(contexts(&[run(300, START, decoding(10, after(1_000)))]), (3.0, 3.0 * 310.0));
}
