//! AIBrix's output predictor. Its tables can be made smaller, for its own tests; here buckets end where AIBrix's real
//! ones do, so those sizes have no counterpart.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use slo_router::scheduling::prediction::{Completion, DrawWindow, History};
use slo_router::scheduling::shape::log2_bucket;
use slo_router::scheduling::time::Instant;

use crate::golden;

const SLOT: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Instant {
    Instant::ZERO.after(Duration::from_secs(seconds))
}

/// (input tokens, output tokens, how many), all at this time.
fn traces(seconds: u64, traces: &[(u32, u32, usize)]) -> impl Iterator<Item = Completion> {
    traces.iter().flat_map(move |&(input_tokens, output_tokens, count)| {
        let completion = Completion { input_tokens, output_tokens, completed_at: at(seconds) };
        std::iter::repeat_n(completion, count)
    })
}

#[test]
fn tokens_fall_into_aibrix_s_buckets() {
    #[derive(Deserialize)]
    struct Case {
        tokens: u32,
        bucket: u8,
    }
    let cases: Vec<Case> = golden("predictor_bucket_limit21");
    for Case { tokens, bucket } in cases {
        assert_eq!(log2_bucket(tokens), bucket, "{tokens} tokens");
    }
}

#[test]
fn the_window_forgets_slot_by_slot() {
    #[derive(Deserialize)]
    struct Case {
        traces_at_s: Vec<u64>,
        completions: usize,
    }
    let mut file: Value = serde_json::from_str(include_str!("../data/predictor.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_value(file["rotation"].take()).unwrap();
    let window = DrawWindow::new(Duration::from_secs(30), SLOT);
    for Case { traces_at_s, completions } in cases {
        let history: History = traces_at_s.iter().flat_map(|seconds| traces(*seconds, &[(1, 1, 5)])).collect();
        let now = at(*traces_at_s.last().unwrap());
        assert_eq!(window.completions(&history, 1, now).count(), completions, "{traces_at_s:?}");
    }
}

#[test]
fn the_window_spans_whole_slots() {
    // AIBrix's ring has one slot more than the window spans: the one that is being cleared.
    let cases: Vec<Value> = golden("predictor_init");
    for case in cases {
        let window = DrawWindow::new(Duration::from_secs(case["window_s"].as_u64().unwrap()), SLOT);
        let history: History = traces(0, &[(1, 1, 1)]).collect();
        let outlived = (0..).find(|slot| window.completions(&history, 1, at(10 * slot)).count() == 0).unwrap();
        assert_eq!(case["slots"], outlived + 1, "{case}");
    }
}

#[test]
fn aibrix_s_window_is_240_s_in_slots_of_10_s() {
    assert_eq!(DrawWindow::aibrix(), DrawWindow::new(Duration::from_secs(240), SLOT));
}

#[test]
fn nothing_is_drawn_without_completions_of_the_input_bucket() {
    let mut generator = fastrand::Rng::with_seed(1);
    let history: History = traces(0, &[(2, 3, 1)]).collect();
    assert_eq!(DrawWindow::aibrix().draw(&History::default(), 16, at(0), &mut generator), None);
    assert_eq!(DrawWindow::aibrix().draw(&history, 16, at(0), &mut generator), None);
}

#[test]
fn a_draw_is_the_power_of_two_of_an_output_bucket() {
    let mut generator = fastrand::Rng::with_seed(1);
    let history: History = traces(0, &[(2, 3, 1)]).chain(traces(12, &[(2, 4, 1)])).collect();
    for now in [at(0), at(12)] {
        assert_eq!(DrawWindow::aibrix().draw(&history, 2, now, &mut generator), Some(4));
    }
}

#[test]
fn completions_are_drawn_equally_often() {
    let mut generator = fastrand::Rng::with_seed(1);
    let history: History = traces(0, &[(1, 1, 2), (1, 2, 1)]).collect();
    let draws: Vec<_> = (0..1000).map(|_| DrawWindow::aibrix().draw(&history, 1, at(0), &mut generator)).collect();
    let [ones, twos] = [1, 2].map(|length| draws.iter().filter(|drawn| **drawn == Some(length)).count() as f64);
    assert_eq!(ones + twos, 1000.0);
    assert!((ones / twos - 2.0).abs() < 0.2, "{ones} to {twos}");
}

/// Corrected: AIBrix would still draw from them, because its window moves only when a request completes.
#[test]
fn an_idle_hour_empties_the_window() {
    let history: History = traces(0, &[(1, 1, 5)]).collect();
    assert_eq!(DrawWindow::aibrix().completions(&history, 1, at(3600)).count(), 0);
}
