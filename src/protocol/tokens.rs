//! Counting the tokens of a text, where the configuration wants them counted instead of estimated.

/// Counts tokens. Prompts are measured part by part, and their counts are added up.
pub trait TokenCounter {
    /// Tokens of `text`; `None` where they cannot be told.
    fn tokens_of(&self, text: &str) -> Option<u32>;
}

#[cfg(feature = "exact")]
mod exact {
    use std::sync::OnceLock;

    use tiktoken_rs::CoreBPE;

    use super::TokenCounter;

    /// The longest text that is tokenized in one go. The tokenizer's time grows with the square of a run without a
    /// boundary, and its regular expression gives up (by a panic) on runs of white space of a million characters.
    const PIECE_BYTES: usize = 1024;

    /// `cl100k_base`, built on first use (tens of milliseconds, 15 MB).
    #[derive(Default)]
    pub struct Cl100k(OnceLock<Option<CoreBPE>>);

    // === impl Cl100k ===

    impl TokenCounter for Cl100k {
        fn tokens_of(&self, text: &str) -> Option<u32> {
            let tokenizer = self.0.get_or_init(|| tiktoken_rs::cl100k_base().ok()).as_ref()?;
            let tokens = Pieces(text).map(|piece| tokenizer.encode_ordinary(piece).len()).sum::<usize>();
            u32::try_from(tokens).ok()
        }
    }

    /// A text in pieces of at most [`PIECE_BYTES`], cut where cl100k cuts too (before the space that leads a word)
    /// unless there is no such place.
    struct Pieces<'a>(&'a str);

    // === impl Pieces ===

    impl<'a> Iterator for Pieces<'a> {
        type Item = &'a str;

        fn next(&mut self) -> Option<&'a str> {
            if self.0.is_empty() {
                return None;
            }
            let (piece, rest) = match self.0.split_at_checked(self.cut()) {
                Some(halves) => halves,
                None => (self.0, ""),
            };
            self.0 = rest;
            Some(piece)
        }
    }

    impl Pieces<'_> {
        fn cut(&self) -> usize {
            if self.0.len() <= PIECE_BYTES {
                return self.0.len();
            }
            let window = self.0.get(..self.0.floor_char_boundary(PIECE_BYTES)).unwrap_or(self.0);
            let leads_a_word = |&(at, _): &(usize, &str)| {
                at > 0 && window.get(at + 1..).and_then(|rest| rest.chars().next()).is_some_and(|c| !c.is_whitespace())
            };
            window.rmatch_indices(' ').find(leads_a_word).map_or(window.len(), |(at, _)| at)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn counts_are_those_of_cl100k_base() {
            // Well-known encodings: "hello world" is [15339, 1917], "tiktoken is great!" has six tokens.
            let counter = Cl100k::default();
            for (text, tokens) in [("", 0), ("hello world", 2), ("tiktoken is great!", 6)] {
                assert_eq!(counter.tokens_of(text), Some(tokens), "{text}");
            }
        }

        #[test]
        fn a_text_of_words_counts_the_same_in_pieces_and_whole() {
            let text = "The quick  brown fox,\n  jumps over 1234567 lazy dogs; naïve café 東京 🦀.\n\n".repeat(100);
            let whole = tiktoken_rs::cl100k_base().unwrap().encode_ordinary(&text).len();
            assert!(Pieces(&text).count() > 5);
            assert_eq!(Pieces(&text).collect::<String>(), text);
            assert_eq!(Cl100k::default().tokens_of(&text), Some(u32::try_from(whole).unwrap()));
        }

        #[test]
        fn a_long_run_without_a_boundary_is_cut_and_counted() {
            for run in [" ", "a", "\n", "é"] {
                assert!(
                    Cl100k::default().tokens_of(&run.repeat(100_000)).is_some_and(|tokens| tokens > 100),
                    "{run:?}"
                );
            }
        }
    }
}
#[cfg(feature = "exact")]
pub use exact::Cl100k;
