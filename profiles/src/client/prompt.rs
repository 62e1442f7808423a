//! Prompts of a given length, no two alike.

use rand::{Rng, RngExt as _, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Common words, of which every tokenizer makes one token or two.
const WORDS: [&str; 64] = [
    "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school", "state",
    "family", "student", "group", "country", "problem", "hand", "part", "place", "case", "week", "company", "system",
    "program", "question", "work", "number", "night", "point", "home", "water", "room", "mother", "area", "money",
    "story", "fact", "month", "lot", "right", "study", "book", "eye", "job", "word", "business", "issue", "side",
    "kind", "head", "house", "service", "friend", "father", "power", "hour", "game", "line", "end", "member", "law",
    "car",
];

/// Rule by which a server counts tokens of such prompts: a constant (template, start of sequence) and so many per word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tokenizer {
    pub fixed_tokens: f64,
    pub tokens_per_word: f64,
}

/// A maker of prompts.
#[derive(Clone, Debug)]
pub(super) struct Prompts {
    tokenizer: Tokenizer,
    shared_prefix_tokens: u32,
    /// Another one each run, so that a server's prefix cache never knows a prompt from the run before.
    run: u64,
}

// === impl Tokenizer ===

impl Tokenizer {
    /// Guess while nothing is known: English text has three tokens in four words' letters, these words are short.
    pub(super) const ASSUMED: Self = Self { fixed_tokens: 0.0, tokens_per_word: 1.0 };

    /// From the tokens that prompts of two numbers of words turned out to have.
    pub(super) fn through((few_words, few_tokens): (u32, u32), (words, tokens): (u32, u32)) -> Self {
        let tokens_per_word = (f64::from(tokens) - f64::from(few_tokens)) / (f64::from(words) - f64::from(few_words));
        let tokens_per_word = if tokens_per_word > 0.1 { tokens_per_word } else { 1.0 };
        Self { tokens_per_word, fixed_tokens: f64::from(few_tokens) - tokens_per_word * f64::from(few_words) }
    }

    fn words(&self, tokens: u32) -> u32 {
        ((f64::from(tokens) - self.fixed_tokens) / self.tokens_per_word).round().max(1.0) as u32
    }
}

// === impl Prompts ===

impl Prompts {
    pub(super) fn new(tokenizer: Tokenizer, shared_prefix_tokens: u32, run: u64) -> Self {
        Self { tokenizer, shared_prefix_tokens, run }
    }

    pub(super) fn set_tokenizer(&mut self, tokenizer: Tokenizer) {
        self.tokenizer = tokenizer;
    }

    /// One of so many tokens, as near as words allow.
    pub(super) fn of_tokens(&self, tokens: u32, number: u64) -> String {
        let words = self.tokenizer.words(tokens);
        let shared = if self.shared_prefix_tokens == 0 { 0 } else { self.tokenizer.words(self.shared_prefix_tokens) };
        let shared = shared.min(words);
        let mut text = draw(shared, &mut ChaCha8Rng::seed_from_u64(0));
        text.push_str(&self.of_words(words - shared, number));
        text
    }

    /// One of so many words.
    pub(super) fn of_words(&self, words: u32, number: u64) -> String {
        draw(words, &mut ChaCha8Rng::seed_from_u64(self.run.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number))
    }
}

fn draw(words: u32, random: &mut impl Rng) -> String {
    let mut text = String::with_capacity(words as usize * 7);
    for _ in 0..words {
        text.push_str(WORDS[random.random_range(0..WORDS.len())]);
        text.push(' ');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompts(shared_prefix_tokens: u32) -> Prompts {
        Prompts::new(Tokenizer { fixed_tokens: 4.0, tokens_per_word: 1.5 }, shared_prefix_tokens, 7)
    }

    #[test]
    fn a_prompt_has_the_words_that_make_its_tokens() {
        assert_eq!(prompts(0).of_tokens(304, 1).split_whitespace().count(), 200);
    }

    #[test]
    fn no_two_prompts_begin_alike() {
        let beginning =
            |number| prompts(0).of_tokens(304, number).split_whitespace().take(8).collect::<Vec<_>>().join(" ");
        let beginnings: std::collections::HashSet<_> = (0..1_000).map(beginning).collect();
        assert_eq!(beginnings.len(), 1_000);
    }

    #[test]
    fn a_shared_prefix_is_shared_and_the_rest_is_not() {
        let (one, other) = (prompts(154).of_tokens(304, 1), prompts(154).of_tokens(304, 2));
        let same = one.split_whitespace().zip(other.split_whitespace()).take_while(|(a, b)| a == b).count();
        assert!((100..110).contains(&same), "{same}");
    }

    #[test]
    fn a_tokenizer_is_the_line_through_two_prompts() {
        assert_eq!(Tokenizer::through((50, 79), (250, 379)), Tokenizer { fixed_tokens: 4.0, tokens_per_word: 1.5 });
    }
}
