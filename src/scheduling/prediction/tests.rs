use proptest::prelude::*;

use super::{Completion, DrawWindow, History, LengthDistribution, PartialAnswer, estimate_median};
use crate::scheduling::time::Instant;

fn completion(input_tokens: u32, output_tokens: u32) -> Completion {
    Completion { input_tokens, output_tokens, completed_at: Instant::ZERO }
}

/// Completions of one input bucket.
fn history(output_tokens: &[u32]) -> History {
    output_tokens.iter().map(|tokens| completion(64, *tokens)).collect()
}

fn running(count: usize, output_so_far: u32) -> Vec<PartialAnswer> {
    vec![PartialAnswer { input_tokens: 64, output_so_far, stands_for: 1 }; count]
}

#[test]
fn the_oldest_completion_is_forgotten() {
    let tokens: Vec<u32> = (0..605).collect();
    let outputs: Vec<u32> = history(&tokens).iter().map(|it| it.output_tokens).collect();
    assert_eq!(outputs, tokens[5..]);
}

/// Also on a target of 32 bits, where the filter runs.
#[test]
fn one_seed_draws_the_same_everywhere() {
    let history: History = (0..8).map(|power| completion(64, 1 << power)).collect();
    let mut generator = fastrand::Rng::with_seed(1);
    let drawn = [(); 8].map(|()| DrawWindow::aibrix().draw(&history, 64, Instant::ZERO, &mut generator).unwrap());
    assert_eq!(drawn, [32, 16, 2, 64, 1, 64, 64, 64]);
}

#[test]
fn nothing_is_estimated_without_a_completion() {
    assert_eq!(estimate_median(&History::default(), &running(3, 50), 64), None);
}

#[test]
fn without_running_requests_the_median_is_the_lower_middle() {
    for count in 1..=100 {
        let descending: Vec<u32> = (1..=count).rev().collect();
        assert_eq!(estimate_median(&history(&descending), &[], 64), Some(count.div_ceil(2)), "of {count}");
    }
}

/// Worked by hand: at risk 4, 3 and 1; the request censored at 20 leaves between the second and the
/// third.
#[test]
fn survival_is_the_product_limit_estimate() {
    let lengths = LengthDistribution::estimate(&history(&[10, 20, 30]), &running(1, 20), 64).unwrap();
    for (tokens, share) in [(0.0, 1.0), (10.0, 1.0), (10.5, 0.75), (20.0, 0.75), (21.0, 0.5), (30.0, 0.5), (31.0, 0.0)]
    {
        assert!((lengths.survival(tokens) - share).abs() < 1e-12, "{tokens}: {}", lengths.survival(tokens));
    }
}

#[test]
fn answers_still_running_make_up_for_those_that_ended_early() {
    let short = history(&[10; 20]);
    assert_eq!(estimate_median(&short, &[], 64), Some(10));
    assert_eq!(estimate_median(&short, &running(30, 400), 64), Some(400));
}

#[test]
fn of_a_sample_each_counts_for_all_that_it_stands_for() {
    let short = history(&[10; 20]);
    let sample = PartialAnswer { stands_for: 6, ..running(1, 400)[0] };
    let all = LengthDistribution::estimate(&short, &running(30, 400), 64);
    assert_eq!(LengthDistribution::estimate(&short, &[sample; 5], 64), all);
}

#[test]
fn a_request_that_has_produced_nothing_yet_tells_nothing() {
    let mixed: History = (0..15).flat_map(|_| [completion(64, 10), completion(4096, 100)]).collect();
    let [with, without] = [&running(50, 0)[..], &[]].map(|it| LengthDistribution::estimate(&mixed, it, 64).unwrap());
    for tokens in (1..110).map(f64::from) {
        assert!((with.survival(tokens) - without.survival(tokens)).abs() < 1e-12, "{tokens}");
    }
}

#[test]
fn a_bucket_without_completions_takes_the_overall_distribution() {
    let outputs = history(&[10, 20, 30]);
    let [own, other] = [64, 4096].map(|input| LengthDistribution::estimate(&outputs, &[], input));
    assert_eq!(own, other);
}

/// 15 completions of its own weigh as much as the overall distribution.
#[test]
fn a_bucket_is_shrunk_to_the_overall_distribution_by_fifteen_completions() {
    let mixed: History = (0..15).flat_map(|_| [completion(64, 10), completion(4096, 100)]).collect();
    let survival = |input| LengthDistribution::estimate(&mixed, &[], input).unwrap().survival(50.0);
    assert!((survival(64) - (0.0 + 0.5) / 2.0).abs() < 1e-12);
    assert!((survival(4096) - (1.0 + 0.5) / 2.0).abs() < 1e-12);
    assert_eq!([64, 4096].map(|input| estimate_median(&mixed, &[], input)), [Some(10), Some(100)]);
}

fn requests() -> impl Strategy<Value = Vec<(u32, u32)>> {
    prop::collection::vec((0_u32..300, 0_u32..200), 0..60)
}

fn split(completed: &[(u32, u32)], under_way: &[(u32, u32)]) -> (History, Vec<PartialAnswer>) {
    let history = completed.iter().map(|(input, output)| completion(*input, *output)).collect();
    let running = under_way.iter().map(|&(input_tokens, output_so_far)| PartialAnswer {
        input_tokens,
        output_so_far,
        stands_for: 1,
    });
    (history, running.collect())
}

proptest! {
    #[test]
    fn survival_never_rises_and_is_a_share(completed in requests(), under_way in requests(), input in 0_u32..300) {
        let (history, running) = split(&completed, &under_way);
        let Some(lengths) = LengthDistribution::estimate(&history, &running, input) else { return Ok(()) };
        let curve: Vec<f64> = (0..=420).map(|half| lengths.survival(f64::from(half) / 2.0)).collect();
        prop_assert_eq!(curve[0], 1.0);
        prop_assert!(curve.iter().all(|share| (0.0..=1.0).contains(share)));
        prop_assert!(curve.is_sorted_by(|one, next| one >= next));
    }

    #[test]
    fn without_running_requests_survival_is_the_share_of_answers(
        outputs in prop::collection::vec(prop_oneof![0_u32..500, 0_u32..=u32::MAX], 1..600),
    ) {
        let lengths = LengthDistribution::estimate(&history(&outputs), &[], 64).unwrap();
        let around = |output: u32| [-0.5, 0.0, 0.5].map(|off| f64::from(output) + off);
        for tokens in outputs.iter().flat_map(|output| around(*output)).chain([-1.0, f64::INFINITY]) {
            let longer = outputs.iter().filter(|output| f64::from(**output) >= tokens).count();
            let share = longer as f64 / outputs.len() as f64;
            prop_assert!((lengths.survival(tokens) - share).abs() < 1e-9, "{tokens}: {share}");
        }
        prop_assert_eq!(lengths.survival(f64::NAN), 1.0);
    }

    #[test]
    fn the_median_is_within_what_was_observed(completed in requests(), under_way in requests(), input in 0_u32..300) {
        let (history, running) = split(&completed, &under_way);
        let Some(median) = estimate_median(&history, &running, input) else {
            prop_assert!(completed.is_empty());
            return Ok(());
        };
        let shortest = completed.iter().map(|(_, output)| *output).min();
        let longest = completed.iter().chain(&under_way).map(|(_, output)| *output).max();
        prop_assert!(shortest <= Some(median) && Some(median) <= longest, "{median}");
    }

    #[test]
    fn the_median_is_where_survival_falls_to_half(completed in requests(), input in 0_u32..300) {
        let (history, _) = split(&completed, &[]);
        let Some(lengths) = LengthDistribution::estimate(&history, &[], input) else { return Ok(()) };
        let median = f64::from(lengths.median());
        prop_assert!(lengths.survival(median) > 0.5 && lengths.survival(median + 1.0) <= 0.5 + 1e-9);
    }

    #[test]
    fn one_more_running_request_never_lowers_the_median(
        completed in requests(), under_way in requests(), more in requests(), input in 0_u32..300,
    ) {
        let (history, mut running) = split(&completed, &under_way);
        let before = estimate_median(&history, &running, input);
        running.extend(split(&[], &more).1);
        prop_assert!(estimate_median(&history, &running, input) >= before);
    }
}
