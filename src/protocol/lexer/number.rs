//! The grammar of numbers.

use super::{Lexer, Sink, State, Word};

const WRONG: &str = "invalid number";
/// No float that means anything here needs more. With more digits the exact value costs ten times as much to find.
const FLOAT_BYTES: usize = 20;
const TOO_LONG: &str = "number out of range";

/// The part of a number that came last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Minus,
    /// A zero, which no digit may follow.
    Zero,
    Integer,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

// === impl Number ===

impl Number {
    /// By its first byte.
    pub(super) fn of(byte: u8) -> Self {
        match byte {
            b'-' => Self::Minus,
            b'0' => Self::Zero,
            _ => Self::Integer,
        }
    }

    /// True if it may end here.
    pub(super) fn is_whole(self) -> bool {
        matches!(self, Self::Zero | Self::Integer | Self::Fraction | Self::Exponent)
    }

    /// With another byte; `None` where that is not of it.
    fn with(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, b'0') => Some(Self::Zero),
            (Self::Minus | Self::Integer, b'0'..=b'9') => Some(Self::Integer),
            (Self::Zero | Self::Integer, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Some(Self::E),
            (Self::E, b'+' | b'-') => Some(Self::Sign),
            (Self::E | Self::Sign | Self::Exponent, b'0'..=b'9') => Some(Self::Exponent),
            _ => None,
        }
    }
}

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
            None => self.go_to(State::Number(number), rest),
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
