//! Strings: runs of plain characters, passed over eight bytes at a time, and escapes.

use super::{Lexer, LexerState, Sink};
use crate::protocol::words::{EACH, HIGH, zeros};

const SURROGATE: &str = "lone leading surrogate in hex escape";

// === impl Lexer ===

impl Lexer {
    #[inline]
    pub(super) fn begin_text<'a>(&mut self, is_key: bool, rest: &'a [u8]) -> &'a [u8] {
        self.is_key = is_key;
        // The quote.
        self.characters = if self.is_read { 0 } else { self.characters.wrapping_add(1) };
        self.go_to(LexerState::Text, rest)
    }

    /// Goes on within a string up to its end or the middle of an escape; returns what is behind
    /// that.
    pub(super) fn text<'a>(&mut self, bytes: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let mut bytes = bytes;
        loop {
            let (length, characters) = plain(bytes);
            let (run, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
            if let Some((b'"', after)) = rest.split_first()
                && self.is_key
                && self.is_read
                && self.token.is_empty()
            {
                sink.key(run);
                return self.go_to(LexerState::Colon, after);
            }
            if length > 0 {
                self.emit(run, characters, sink);
            }
            match rest.split_first() {
                None => return rest,
                Some((b'"', after)) => return self.end_text(after, sink),
                Some((b'\\', after)) => {
                    self.steps = self.steps.wrapping_add(1);
                    bytes = match after.first() {
                        None => return self.go_to(LexerState::Escape, after),
                        Some(_) => self.escape(after, sink),
                    };
                    if self.state != LexerState::Text {
                        return bytes;
                    }
                }
                Some(_) => return self.fail("control character (\\u0000-\\u001F) found while parsing a string", rest),
            }
        }
    }

    /// A backslash came before `bytes`.
    pub(super) fn escape<'a>(&mut self, bytes: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let Some((&byte, after)) = bytes.split_first() else { return bytes };
        let character = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.unit = 0;
                return self.hex(4, after, sink);
            }
            _ => return self.fail("invalid escape", bytes),
        };
        // Written as it came, where it is not read.
        self.emit(&[character], if self.is_read { 1 } else { 2 }, sink);
        self.go_to(LexerState::Text, after)
    }

    /// So many digits of an escape are to come.
    pub(super) fn hex<'a>(&mut self, left: u8, bytes: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let (mut left, mut rest) = (left, bytes);
        while left > 0 {
            let Some((&byte, after)) = rest.split_first() else { return self.go_to(LexerState::Hex(left), rest) };
            let digit = match byte {
                b'0'..=b'9' => byte.wrapping_sub(b'0'),
                b'a'..=b'f' => byte.wrapping_sub(b'a').wrapping_add(10),
                b'A'..=b'F' => byte.wrapping_sub(b'A').wrapping_add(10),
                _ => return self.fail("invalid escape", rest),
            };
            self.unit = self.unit << 4 | u16::from(digit);
            (left, rest) = (left.wrapping_sub(1), after);
        }
        self.state = LexerState::Text;
        if !self.is_read {
            self.characters = self.characters.wrapping_add(1);
            return rest;
        }
        match (self.surrogate.take(), self.unit) {
            (None, leading @ 0xD800..=0xDBFF) => {
                self.surrogate = Some(leading);
                self.go_to(LexerState::Trailing, rest)
            }
            (leading, unit) => match char::decode_utf16(leading.into_iter().chain([unit])).next() {
                Some(Ok(character)) => {
                    self.emit(character.encode_utf8(&mut [0; 4]).as_bytes(), 1, sink);
                    rest
                }
                _ => {
                    self.fail_after(SURROGATE, rest);
                    rest
                }
            },
        }
    }

    fn end_text<'a>(&mut self, rest: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        if !self.is_read {
            self.characters = self.characters.wrapping_add(1);
        } else if self.is_key {
            sink.key(&self.token);
        } else {
            sink.end_text(self.characters);
        }
        if self.is_key { self.go_to(LexerState::Colon, rest) } else { self.end_value(rest) }
    }

    #[inline]
    fn emit(&mut self, part: &[u8], characters: usize, sink: &mut impl Sink) {
        self.characters = self.characters.wrapping_add(characters);
        if !self.is_read {
            return;
        }
        if self.is_key {
            self.keep(part);
        } else if self.is_kept {
            sink.text(part);
        }
    }
}

/// The length of the run before the next quote, backslash or control character, in bytes and in
/// characters.
fn plain(bytes: &[u8]) -> (usize, usize) {
    let mut words = bytes.chunks_exact(8);
    let (mut length, mut continuations) = (0_usize, 0_usize);
    for word in words.by_ref() {
        let word = word.try_into().map(u64::from_le_bytes).unwrap_or_default();
        let controls = word.wrapping_sub(0x20 * EACH) & !word & HIGH;
        let ends = controls | zeros(word ^ (0x22 * EACH)) | zeros(word ^ (0x5c * EACH));
        let continuing = word & !(word << 1) & HIGH;
        if ends != 0 {
            // The lowest bit is that of the first.
            let before = ends & ends.wrapping_neg();
            let continuing = continuing & before.wrapping_sub(1);
            length = length.wrapping_add(before.trailing_zeros() as usize >> 3);
            return (length, length.wrapping_sub(continuations.wrapping_add(continuing.count_ones() as usize)));
        }
        if continuing != 0 {
            continuations = continuations.wrapping_add(continuing.count_ones() as usize);
        }
        length = length.wrapping_add(8);
    }
    for byte in bytes.get(length..).unwrap_or_default() {
        match byte {
            b'"' | b'\\' | 0..=0x1F => break,
            0x80..=0xBF => continuations = continuations.saturating_add(1),
            _ => {}
        }
        length = length.saturating_add(1);
    }
    (length, length.saturating_sub(continuations))
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn runs_end_at_every_byte_that_is_not_plain_wherever_it_stands() {
        for at in 0..20 {
            for byte in 0..0x80 {
                let mut bytes = [b'a'; 20];
                bytes[at] = byte;
                let end = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)).unwrap_or(20);
                assert_eq!(plain(&bytes), (end, end), "{byte} at {at}");
            }
        }
    }

    #[test]
    fn characters_of_any_width_are_counted() {
        for text in ["naïve café", "東京都庁舎前駅", "🦀🦀🦀🦀🦀", "aé東🦀aé東🦀aé東🦀\u{7f}\u{80}\u{7ff}"]
        {
            assert_eq!(plain(text.as_bytes()), (text.len(), text.chars().count()), "{text}");
        }
    }
}
