use super::super::prompts::{ComputedPrompt, Evidence, Prompts};

/// Tokens of a prompt that are expected to be computed after lessons of (prompt, computed share).
fn computed(lessons: &[(f64, f64, Evidence)], prompt_tokens: f64) -> f64 {
    let mut prompts = Prompts::default();
    for &(prompt_tokens, share, evidence) in lessons {
        prompts.learn(&ComputedPrompt { prompt_tokens, share, evidence, was_expected: false });
    }
    prompts.shares().computed_tokens(prompt_tokens)
}

#[test]
fn all_of_a_prompt_is_computed_while_nothing_is_known() {
    assert_eq!(computed(&[], 12_000.0), 12_000.0);
}

#[test]
fn behind_a_shared_system_prompt_little_is_computed() {
    let told = [(12_200.0, 0.02, Evidence::Told); 20];
    let tokens = computed(&told, 12_300.0);
    assert!((246.0..1_000.0).contains(&tokens), "{tokens}");
}

#[test]
fn short_prompts_are_told_from_long_ones() {
    let long = [(12_200.0, 0.02, Evidence::Told); 20];
    let short = [(100.0, 1.0, Evidence::Told); 20];
    let all = [long, short].concat();
    assert!(computed(&all, 100.0) > 95.0);
    assert!(computed(&all, 12_000.0) < 1_000.0);
}

#[test]
fn what_first_tokens_show_counts_only_where_nothing_is_told() {
    let seen = [(8_000.0, 0.1, Evidence::FirstToken); 20];
    assert!(computed(&seen, 8_000.0) < 1_600.0);
    let told = [(8_000.0, 1.0, Evidence::Told); 100];
    let late_signs = [(8_000.0, 0.0, Evidence::FirstToken); 100];
    assert!(computed(&[told, late_signs].concat(), 8_000.0) > 7_900.0);
}

#[test]
fn what_was_expected_in_a_cache_says_nothing_of_prompts_of_which_nothing_is() {
    let mut prompts = Prompts::default();
    let cached = ComputedPrompt { prompt_tokens: 8_000.0, share: 0.0, evidence: Evidence::Told, was_expected: true };
    (0..50).for_each(|_| prompts.learn(&cached));
    assert!(prompts.shares().computed_tokens(8_000.0) < 500.0);
    assert_eq!(prompts.unexpected_shares().computed_tokens(8_000.0), 8_000.0);
}

#[test]
fn a_cache_that_was_lost_is_noticed() {
    let cached = [(8_000.0, 0.05, Evidence::Told); 200];
    let lost = [(8_000.0, 1.0, Evidence::Told); 60];
    let tokens = computed(&[cached.as_slice(), &lost].concat(), 8_000.0);
    assert!(tokens > 6_000.0, "{tokens}");
}

#[test]
fn absurd_lessons_leave_shares_within_bounds() {
    let absurd = [(1e12, f64::NAN, Evidence::Told), (0.0, f64::INFINITY, Evidence::Told), (5.0, 7.0, Evidence::Told)];
    for prompt_tokens in [0.0, 5.0, 1e12] {
        let tokens = computed(&absurd, prompt_tokens);
        assert!((0.0..=prompt_tokens).contains(&tokens), "{tokens} of {prompt_tokens}");
    }
}
