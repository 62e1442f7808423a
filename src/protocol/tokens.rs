//! Counting the tokens of a text, where the configuration wants them counted instead of estimated.

/// The longest text that is tokenized in one go. The tokenizer's time grows with the square of a
/// run without a boundary, and its regular expression gives up (by a panic) on runs of white space
/// of a million characters.
const PIECE_BYTES: usize = 96;

/// WebAssembly instructions that tokenizing takes at most: for a piece, for each of its bytes, and
/// for the square of each run's.
const PIECE_WORK: u64 = 3_000;
const BYTE_WORK: u64 = 1_800;
const RUN_WORK: u64 = 60;

/// Counts tokens. Prompts are measured part by part, and their counts are added up.
pub trait TokenCounter {
    /// Tokens of `piece`, one of those of a text; `None` where they cannot be told.
    fn tokens_of(&self, piece: &str) -> Option<u32>;
}

/// Characters that the tokenizer keeps together. Digits it takes three by three.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CharacterClass {
    Word,
    Digits,
    Space,
    Liveness,
}

/// Estimates the instructions that it takes to tokenize a piece, from above.
pub(super) fn work_of(piece: &str) -> u64 {
    let (mut run, mut length, mut work) = (CharacterClass::Digits, 0_u64, PIECE_WORK);
    for byte in piece.bytes() {
        let next = CharacterClass::of(byte);
        length = if next == run { length.saturating_add(1) } else { 1 };
        run = next;
        // The squares' differences add up to the square.
        let square = if run == CharacterClass::Digits { 0 } else { RUN_WORK.saturating_mul(length.saturating_mul(2)) };
        work = work.saturating_add(BYTE_WORK).saturating_add(square);
    }
    work
}

/// A text in pieces of at most [`PIECE_BYTES`], cut where cl100k cuts too (before the space that
/// leads a word) unless there is no such place. The last piece is left: its place to be cut may be
/// in what follows.
pub(super) struct Pieces<'a>(pub(super) &'a str);

// === impl CharacterClass ===

impl CharacterClass {
    const fn of(byte: u8) -> Self {
        match byte {
            b'0'..=b'9' => Self::Digits,
            b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => Self::Word,
            b' ' | b'\t' | b'\n' | b'\r' => Self::Space,
            _ => Self::Liveness,
        }
    }
}

// === impl Pieces ===

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (piece, rest) = self.0.split_at_checked(self.cut()?)?;
        self.0 = rest;
        Some(piece)
    }
}

impl Pieces<'_> {
    fn cut(&self) -> Option<usize> {
        if self.0.len() <= PIECE_BYTES {
            return None;
        }
        let window = self.0.get(..self.0.floor_char_boundary(PIECE_BYTES)).unwrap_or(self.0);
        let leads_a_word = |&(at, _): &(usize, &str)| {
            let next = window.get(at.saturating_add(1)..).and_then(|rest| rest.chars().next());
            at > 0 && next.is_some_and(|next| !next.is_whitespace())
        };
        Some(window.rmatch_indices(' ').find(leads_a_word).map_or(window.len(), |(at, _)| at))
    }
}

#[cfg(feature = "exact")]
mod exact {
    use tiktoken_rs::CoreBPE;

    use super::TokenCounter;

    /// `cl100k_base`; nothing where it cannot be built.
    pub struct Cl100k(Option<CoreBPE>);

    // === impl Cl100k ===

    impl Cl100k {
        /// Builds it from its embedded ranks, which takes tens of milliseconds and 15 MB: while a
        /// VM starts, not while it serves.
        pub fn load() -> Self {
            Self(tiktoken_rs::cl100k_base().ok())
        }
    }

    impl TokenCounter for Cl100k {
        fn tokens_of(&self, piece: &str) -> Option<u32> {
            u32::try_from(self.0.as_ref()?.encode_ordinary(piece).len()).ok()
        }
    }

    #[cfg(test)]
    mod tests {
        use super::super::Pieces;
        use super::*;

        /// Tokens of a text of any length.
        fn tokens_of(text: &str) -> Option<u32> {
            let (counter, mut pieces) = (Cl100k::load(), Pieces(text));
            let counted: Option<u32> = pieces.by_ref().map(|piece| counter.tokens_of(piece)).sum();
            Some(counted? + counter.tokens_of(pieces.0)?)
        }

        #[test]
        fn counts_are_those_of_cl100k_base() {
            // Well-known encodings: "hello world" is [15339, 1917], "tiktoken is great!" has six
            // tokens.
            for (text, tokens) in [("", 0), ("hello world", 2), ("tiktoken is great!", 6)] {
                assert_eq!(tokens_of(text), Some(tokens), "{text}");
            }
        }

        #[test]
        fn a_text_of_words_counts_the_same_in_pieces_and_whole() {
            let text = "The quick  brown fox,\n  jumps over 1234567 lazy dogs; naïve café 東京 🦀.\n\n".repeat(100);
            let whole = tiktoken_rs::cl100k_base().unwrap().encode_ordinary(&text).len();
            assert!(Pieces(&text).count() > 5);
            let mut pieces = Pieces(&text);
            assert_eq!(pieces.by_ref().collect::<String>() + pieces.0, text);
            assert_eq!(tokens_of(&text), Some(u32::try_from(whole).unwrap()));
        }

        #[test]
        fn a_long_run_without_a_boundary_is_cut_and_counted() {
            for run in [" ", "a", "\n", "é"] {
                assert!(tokens_of(&run.repeat(100_000)).is_some_and(|tokens| tokens > 100), "{run:?}");
            }
        }
    }
}
#[cfg(feature = "exact")]
pub use exact::Cl100k;
