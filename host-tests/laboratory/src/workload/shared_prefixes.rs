//! Requests whose prompts begin alike though they belong to no conversation: behind one system prompt, behind documents, and in batches.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Zipf};

use super::{Arrival, Lengths};
use crate::engine::Content;

/// Documents that questions are asked about, as a retriever puts them before the question.
#[derive(Clone, Copy, Debug)]
pub struct Documents {
    /// Number of them.
    pub number: u32,
    /// Exponent of Zipf's law: the n-th is asked about so much less often than the first.
    pub exponent: f64,
    /// Tokens of a document.
    pub tokens: Lengths,
}

// === impl Documents ===

impl Documents {
    /// 200 documents of 2,000 to 12,000 tokens, of which the first gets a sixth of all questions.
    pub const RETRIEVAL: Self =
        Self { number: 200, exponent: 1.0, tokens: Lengths::log_normal(5_000.0, 0.5, 2_000, 12_000) };

    /// The same requests, each behind one of the documents, which the seed determines.
    pub fn before(&self, arrivals: Vec<Arrival>, seed: u64) -> Vec<Arrival> {
        // Other numbers than those that the requests were drawn with.
        let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(1 << 32));
        let tokens: Vec<u32> = (0..self.number).map(|_| self.tokens.sample(&mut rng)).collect();
        let rank = Zipf::new(f64::from(self.number), self.exponent).expect("a document at least");
        behind(arrivals, || {
            let document = rank.sample(&mut rng) as u32 - 1;
            (document, tokens[document as usize])
        })
    }
}

/// The same requests, each behind a system prompt of so many tokens that all have in common.
pub fn behind_system_prompt(arrivals: Vec<Arrival>, system_tokens: u32) -> Vec<Arrival> {
    behind(arrivals, || (0, system_tokens))
}

/// The same with one in so many requests whose prompts, of the same length, begin like no other.
pub fn but_one_in(requests: usize, mut arrivals: Vec<Arrival>) -> Vec<Arrival> {
    arrivals.iter_mut().step_by(requests).for_each(|arrival| arrival.content = None);
    arrivals
}

/// The same requests in batches: all of one come when its first comes and have its prompt; their answers are their own.
pub fn in_batches(size: usize, mut arrivals: Vec<Arrival>) -> Vec<Arrival> {
    for (conversation, batch) in (0..).zip(arrivals.chunks_mut(size)) {
        let Arrival { at, prompt_tokens, .. } = batch[0];
        let content = Some(Content::conversation(conversation));
        for arrival in batch {
            *arrival = Arrival { at, prompt_tokens, content, ..*arrival };
        }
    }
    arrivals
}

/// Each behind the text of a number and a length.
fn behind(mut arrivals: Vec<Arrival>, mut text: impl FnMut() -> (u32, u32)) -> Vec<Arrival> {
    for (conversation, arrival) in (0..).zip(&mut arrivals) {
        let (system, system_tokens) = text();
        arrival.prompt_tokens += system_tokens;
        arrival.content = Some(Content::behind(system, system_tokens, conversation));
    }
    arrivals
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::workload;

    fn plain() -> Vec<Arrival> {
        workload::arrivals(20.0, Duration::from_secs(600), 1)
    }

    #[test]
    fn a_system_prompt_comes_before_all_requests_and_each_goes_on_by_itself() {
        for ((number, plain), behind) in (0..).zip(plain()).zip(behind_system_prompt(plain(), 12_000)) {
            let content = Some(Content::behind(0, 12_000, number));
            let expected = Arrival { prompt_tokens: plain.prompt_tokens + 12_000, content, ..plain };
            assert_eq!(behind, expected);
        }
    }

    #[test]
    fn the_first_document_is_asked_about_most_and_each_has_one_length() {
        let behind = Documents::RETRIEVAL.before(plain(), 1);
        assert_eq!(behind, Documents::RETRIEVAL.before(plain(), 1));
        let mut asked = BTreeMap::<u32, Vec<u32>>::new();
        for (plain, behind) in plain().iter().zip(&behind) {
            let Some(Content::Conversation { system, system_tokens, .. }) = behind.content else {
                panic!("{behind:?}")
            };
            assert_eq!(behind.prompt_tokens, plain.prompt_tokens + system_tokens);
            asked.entry(system).or_default().push(system_tokens);
        }
        assert!(asked.values().flatten().all(|tokens| (2_000..=12_000).contains(tokens)));
        assert!(asked.values().all(|tokens| tokens.iter().all(|other| *other == tokens[0])));
        // By Zipf's law 0.170 and 0.085 of all.
        let share = |document| asked[&document].len() as f64 / behind.len() as f64;
        assert!((share(0) - 0.170).abs() < 0.01 && (share(1) - 0.085).abs() < 0.01, "{} {}", share(0), share(1));
        assert!(asked.keys().all(|document| *document < 200) && asked.len() > 190, "{}", asked.len());
    }

    #[test]
    fn one_in_so_many_begins_like_no_other() {
        let mixed = but_one_in(20, behind_system_prompt(plain(), 8_000));
        for (number, arrival) in mixed.iter().enumerate() {
            assert_eq!(arrival.content.is_none(), number % 20 == 0);
            assert!(arrival.prompt_tokens > 8_000);
        }
    }

    #[test]
    fn a_batch_comes_at_once_with_one_prompt_and_no_other_batch_has_it() {
        let batches = in_batches(32, plain());
        assert_eq!(batches.len(), plain().len());
        for (number, batch) in (0..).zip(batches.chunks(32)) {
            let first = batch[0];
            assert_eq!(first.content, Some(Content::conversation(number)));
            assert!(batch.iter().all(|arrival| arrival.at == first.at && arrival.prompt() == first.prompt()));
        }
        let outputs = |arrivals: &[Arrival]| arrivals.iter().map(|arrival| arrival.output_tokens).collect::<Vec<_>>();
        assert_eq!(outputs(&batches), outputs(&plain()));
    }
}
