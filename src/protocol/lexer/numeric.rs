//! Numbers in a document.

use super::number::Number;
use super::{Lexer, LexerState, Sink, Word};

const WRONG: &str = "invalid number";
/// No float that means anything here needs more. With more digits the exact value costs ten times
/// as much to find.
const FLOAT_BYTES: usize = 20;
const TOO_LONG: &str = "number out of range";

// === impl Lexer ===

impl Lexer {
    /// Goes on within a number; returns what is behind it.
    pub(super) fn number<'a>(&mut self, number: Number, bytes: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let (mut number, mut rest) = (number, bytes);
        while let Some((&byte, after)) = rest.split_first()
            && let Some(next) = number.with(byte)
        {
            (number, rest) = (next, after);
        }
        let length = bytes.len().saturating_sub(rest.len());
        self.characters = self.characters.wrapping_add(length);
        if self.is_read && self.is_kept && length > 0 {
            self.keep(bytes.get(..length).unwrap_or_default());
        }
        match rest.first() {
            None => self.go_to(LexerState::Number(number), rest),
            Some(byte) if !number.is_whole() || (number == Number::Zero && byte.is_ascii_digit()) => {
                self.fail(WRONG, rest)
            }
            Some(_) => self.end_number(number, rest, sink),
        }
    }

    pub(super) fn end_number<'a>(&mut self, number: Number, rest: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        if !self.is_read {
            return self.end_value(rest);
        }
        let is_integer = matches!(number, Number::Zero | Number::Integer) && !self.is_negative;
        if self.is_kept && !is_integer && self.characters > FLOAT_BYTES {
            self.fail_after(TOO_LONG, rest);
            return rest;
        }
        let token = std::mem::take(&mut self.token);
        let rest = self.end_word(Word::Number(&token, is_integer), rest, sink);
        self.token = token;
        rest
    }
}
