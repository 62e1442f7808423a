//! The text between scalars: white space, commas, colons, brackets and braces, and the first bytes
//! of values.

use super::number::Number;
use super::{Care, Letters, Lexer, LexerState, Sink};
use crate::protocol::json::JsonKind;

// === impl Lexer ===

impl Lexer {
    /// Passes over white space and what stands between values, or begins a value.
    #[inline]
    pub(super) fn structure<'a>(&mut self, bytes: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let Some((&byte, after)) = bytes.split_first() else { return bytes };
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return self.blanks(bytes);
        }
        match self.state {
            LexerState::After if byte == b',' => {
                self.characters = self.characters.wrapping_add(2);
                self.go_to(if self.is_object { LexerState::Key } else { LexerState::Element }, after)
            }
            LexerState::After => match byte {
                b'}' if self.is_object => self.close(after, sink),
                b']' if !self.is_object => self.close(after, sink),
                _ if self.is_object => self.fail("expected `,` or `}`", bytes),
                _ => self.fail("expected `,` or `]`", bytes),
            },
            LexerState::FirstKey | LexerState::Key if byte == b'"' => {
                self.token.clear();
                self.begin_text(true, after)
            }
            LexerState::FirstKey if byte == b'}' => self.close(after, sink),
            LexerState::Key if byte == b'}' => self.fail("trailing comma", bytes),
            LexerState::FirstKey | LexerState::Key => self.fail("key must be a string", bytes),
            LexerState::Colon if byte == b':' => {
                self.characters = self.characters.wrapping_add(2);
                self.go_to(LexerState::Value, after)
            }
            LexerState::Colon => self.fail("expected `:`", bytes),
            LexerState::FirstElement if byte == b']' => self.close(after, sink),
            LexerState::Element if byte == b']' => self.fail("trailing comma", bytes),
            LexerState::End => self.fail("trailing characters", bytes),
            _ => self.value(byte, bytes, sink),
        }
    }

    fn blanks<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut rest = bytes;
        while let Some((byte @ (b' ' | b'\t' | b'\n' | b'\r'), after)) = rest.split_first() {
            if *byte == b'\n' {
                self.line = self.line.wrapping_add(1);
                self.line_start = self.end.saturating_sub(after.len());
            }
            rest = after;
        }
        rest
    }

    #[inline]
    fn value<'a>(&mut self, byte: u8, bytes: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let (kind, state) = match byte {
            b'"' => (JsonKind::String, LexerState::Text),
            b'{' => (JsonKind::Object, LexerState::FirstKey),
            b'[' => (JsonKind::Array, LexerState::FirstElement),
            b'n' => (JsonKind::Null, LexerState::Letters(Letters::Null, 1)),
            b't' => (JsonKind::Boolean, LexerState::Letters(Letters::True, 1)),
            b'f' => (JsonKind::Boolean, LexerState::Letters(Letters::False, 1)),
            b'-' | b'0'..=b'9' => (JsonKind::Number, LexerState::Number(Number::of(byte))),
            _ => return self.fail("expected value", bytes),
        };
        if self.is_read {
            match sink.begin(kind) {
                Ok(care @ (Care::Read | Care::Keep)) => self.is_kept = care == Care::Keep,
                Ok(care) => {
                    // It begins again, unseen.
                    self.is_read = false;
                    self.is_raw = care == Care::Raw;
                    self.skipped_at = self.nest.depth();
                    self.characters = 0;
                    return bytes;
                }
                Err(wrong) => return self.fail(wrong, bytes),
            }
        }
        let after = bytes.get(1..).unwrap_or_default();
        match kind {
            JsonKind::String => return self.begin_text(false, after),
            JsonKind::Object | JsonKind::Array => {
                self.nest.push(self.is_object);
                self.is_object = kind == JsonKind::Object;
                self.characters = self.characters.wrapping_add(1);
            }
            JsonKind::Number => {
                self.is_negative = byte == b'-';
                if self.is_read {
                    self.characters = 0;
                    self.token.clear();
                    if self.is_kept {
                        self.keep(&[byte]);
                    }
                }
                self.characters = self.characters.wrapping_add(1);
            }
            JsonKind::Null | JsonKind::Boolean => {}
        }
        self.go_to(state, after)
    }

    #[inline]
    fn close<'a>(&mut self, rest: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        if self.is_read {
            sink.close(self.is_object);
        }
        self.is_object = self.nest.pop();
        self.characters = self.characters.wrapping_add(1);
        self.end_value(rest)
    }
}
