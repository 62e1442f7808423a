use proptest::prelude::*;

use super::super::heads::PromptHeads;
use super::super::index::{PlacedPrompt, PrefixIndex, ServedTokens};
use super::{DEPLOYMENT, heads, pod, proven, tokens};
use crate::scheduling::pool::PodId;

struct Cluster {
    index: PrefixIndex,
}

impl Cluster {
    fn new() -> Self {
        Self { index: proven(PrefixIndex::new(1 << 14)) }
    }

    fn place(&mut self, heads: &PromptHeads, pod: PodId) -> PlacedPrompt {
        self.index.placed(heads.clone().into(), tokens(heads), pod, DEPLOYMENT)
    }

    /// A prompt comes and is answered by no tokens, of which so many were cached.
    fn serve(&mut self, heads: &PromptHeads, pod: PodId, cached_tokens: Option<u32>) {
        let placed = self.place(heads, pod);
        let measured = ServedTokens { prompt_tokens: tokens(heads), output_tokens: 0, cached_tokens };
        self.index.answered(&placed, &measured);
    }

    fn expected(&self, heads: &PromptHeads, pod: PodId) -> f64 {
        self.index.expected(heads, tokens(heads)).on(pod).map_or(0.0, super::super::PrefixHit::expected_tokens)
    }
}

#[test]
fn what_was_placed_is_expected_there_and_nowhere_else() {
    let mut cluster = Cluster::new();
    cluster.place(&heads(&[1, 2, 3]), pod(1));
    let hits = cluster.index.expected(&heads(&[1, 2, 3, 4]), 4_000);
    assert_eq!(hits.iter().count(), 1);
    let hit = hits.on(pod(1)).unwrap();
    assert!((2_984..=3_000).contains(&hit.tokens), "{}", hit.tokens);
    assert!(hit.probability > 0.9 && hit.distance == 0);
    assert_eq!(hits.available_tokens(), hit.expected_tokens());
    assert_eq!(cluster.index.expected(&heads(&[9, 2, 3]), 3_000).iter().count(), 0);
}

#[test]
fn each_pod_is_expected_to_hold_the_longest_part_that_it_computed() {
    let mut cluster = Cluster::new();
    cluster.place(&heads(&[1, 2, 3]), pod(1));
    cluster.place(&heads(&[1, 2]), pod(2));
    cluster.place(&heads(&[1, 7, 8]), pod(3));
    let hits = cluster.index.expected(&heads(&[1, 2, 3, 4]), 4_000);
    let rounded = [1, 2, 3].map(|number| hits.on(pod(number)).unwrap().tokens.div_ceil(1_000));
    assert_eq!(rounded, [3, 2, 1]);
}

#[test]
fn the_answer_is_expected_to_be_cached_with_its_prompt() {
    let mut cluster = Cluster::new();
    let placed = cluster.place(&heads(&[1, 2]), pod(1));
    let measured = ServedTokens { prompt_tokens: 2_000, output_tokens: 480, cached_tokens: None };
    cluster.index.answered(&placed, &measured);
    let hit = *cluster.index.expected(&heads(&[1, 2, 3, 4]), 4_000).on(pod(1)).unwrap();
    assert_eq!(hit.tokens, 2_480);
    // Of the same prompt again, no more than it has.
    assert_eq!(cluster.index.expected(&heads(&[1, 2]), 2_000).on(pod(1)).unwrap().tokens, 2_000);
}

#[test]
fn caches_of_any_size_are_learned_from_what_is_told() {
    // A pod keeps what it used in its last so many tokens; conversations take turns at random.
    for kept_tokens in [60_000_u64, 400_000] {
        let mut cluster = Cluster::new();
        let mut random = fastrand::Rng::with_seed(7);
        let (mut clock, mut used) = (0_u64, vec![None; 400]);
        let (mut error, mut total) = (0.0, 0.0);
        for round in 0..8_000 {
            // Some come back soon, some late.
            let conversation = if random.bool() { random.usize(0..20) } else { random.usize(0..400) };
            let heads = heads(&[conversation as u64, 1, 2, 3]);
            let is_kept = used[conversation].is_some_and(|at| clock - at < kept_tokens);
            let cached = if is_kept { 4_000 } else { 0 };
            let expected = cluster.expected(&heads, pod(1));
            if round > 2_000 {
                error += (expected - f64::from(cached)).abs();
                total += 4_000.0;
            }
            cluster.serve(&heads, pod(1), Some(cached));
            clock += u64::from(4_000 - cached);
            used[conversation] = Some(clock);
        }
        assert!(error / total < 0.12, "{} of {kept_tokens}", error / total);
    }
}

#[test]
fn a_restarted_pod_is_found_out_within_few_requests() {
    let mut cluster = Cluster::new();
    let conversations: Vec<PromptHeads> = (0..30).map(|conversation| heads(&[conversation, 1, 2])).collect();
    for _ in 0..5 {
        for heads in &conversations {
            let is_known = cluster.expected(heads, pod(1)) > 0.0;
            cluster.serve(heads, pod(1), Some(if is_known { 2_992 } else { 0 }));
            cluster.serve(heads, pod(2), Some(if is_known { 2_992 } else { 0 }));
        }
    }
    // Pod 1 restarts. Now and then one of those comes that it computed since.
    let mut misses = 0;
    while cluster.expected(&conversations[29], pod(1)) > 0.0 {
        cluster.serve(&conversations[misses], pod(1), Some(0));
        cluster.serve(&conversations[0], pod(1), Some(if misses == 0 { 0 } else { 2_992 }));
        misses += 1;
        assert!(misses < 10);
    }
    assert!(cluster.expected(&conversations[0], pod(1)) > 2_000.0, "what came since is known");
    assert!(cluster.expected(&conversations[29], pod(2)) > 2_000.0, "other pods keep theirs");
}

#[test]
fn a_deployment_without_a_cache_is_expected_to_have_nothing() {
    let mut cluster = Cluster::new();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..1_000 {
        // Some come again at once, others late.
        let round = if random.bool() { random.u64(0..2) } else { random.u64(0..20) };
        cluster.serve(&heads(&[round, 1, 2]), pod(round % 3), Some(0));
    }
    assert!((0..20).all(|round| cluster.expected(&heads(&[round, 1, 2]), pod(round % 3)) < 300.0));
}

#[test]
fn pods_that_are_gone_hold_nothing() {
    let mut cluster = Cluster::new();
    (1..=3).for_each(|number| drop(cluster.place(&heads(&[1, 2]), pod(number))));
    cluster.index.retain(|key| key == pod(3), |_| true);
    let hits = cluster.index.expected(&heads(&[1, 2]), 2_000);
    assert_eq!(hits.iter().map(|hit| hit.pod).collect::<Vec<_>>(), [pod(3)]);
    // Its number goes to another, which has not what it had.
    cluster.place(&heads(&[9]), pod(4));
    assert_eq!(cluster.expected(&heads(&[1, 2]), pod(4)), 0.0);
    assert!(cluster.expected(&heads(&[9]), pod(4)) > 900.0);
    cluster.place(&heads(&[1, 2]), pod(1));
    assert!(cluster.expected(&heads(&[1, 2]), pod(1)) > 1_800.0);
}

#[test]
fn a_session_is_one_head_of_its_last_prompt() {
    let mut cluster = Cluster::new();
    let session = |name: &str| PromptHeads::of_session(1, name.as_bytes());
    let placed = cluster.index.placed(session("a").into(), 500, pod(1), DEPLOYMENT);
    let measured = ServedTokens { prompt_tokens: 640, output_tokens: 160, cached_tokens: Some(0) };
    cluster.index.answered(&placed, &measured);
    assert_eq!(cluster.index.expected(&session("a"), 5_000).on(pod(1)).unwrap().tokens, 800);
    assert!(cluster.index.expected(&session("b"), 5_000).on(pod(1)).is_none());
}

proptest! {
    #[test]
    fn whatever_happens_expectations_stay_within_prompts(
        events in prop::collection::vec(
            (prop::collection::vec(0_u64..3, 0..6), 0_u64..5, any::<u32>(), any::<Option<u32>>(), 0_u8..20),
            0..60,
        ),
    ) {
        let mut index = PrefixIndex::new(64);
        for (parts, number, prompt_tokens, cached_tokens, what) in events {
            let heads = heads(&parts);
            let placed = index.placed(heads.clone().into(), prompt_tokens, pod(number), DEPLOYMENT);
            match what {
                0 => index.retain(|key| key != pod(number), |_| false),
                1 => index.retain(|key| key != pod(number), |_| true),
                2 => index.retain(|_| true, |_| false),
                _ => index.answered(&placed, &ServedTokens { prompt_tokens, output_tokens: number as u32, cached_tokens }),
            }
            for hit in index.expected(&heads, prompt_tokens).iter() {
                prop_assert!(hit.tokens <= prompt_tokens);
                prop_assert!((0.0..=1.0).contains(&hit.probability));
            }
        }
    }
}
