//! The text between scalars: white space, commas, colons, brackets and braces, and the first bytes of values.

use super::number::Number;
use super::{Care, Letters, Lexer, Sink, State};
use crate::protocol::json::Kind;

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
            State::After if byte == b',' => {
                self.characters = self.characters.wrapping_add(2);
                self.go_to(if self.is_object { State::Key } else { State::Element }, after)
            }
            State::After => match byte {
                b'}' if self.is_object => self.close(after, sink),
                b']' if !self.is_object => self.close(after, sink),
                _ if self.is_object => self.fail("expected `,` or `}`", bytes),
                _ => self.fail("expected `,` or `]`", bytes),
            },
            State::FirstKey | State::Key if byte == b'"' => {
                self.token.clear();
                self.begin_text(true, after)
            }
            State::FirstKey if byte == b'}' => self.close(after, sink),
            State::Key if byte == b'}' => self.fail("trailing comma", bytes),
            State::FirstKey | State::Key => self.fail("key must be a string", bytes),
            State::Colon if byte == b':' => {
                self.characters = self.characters.wrapping_add(2);
                self.go_to(State::Value, after)
            }
            State::Colon => self.fail("expected `:`", bytes),
            State::FirstElement if byte == b']' => self.close(after, sink),
            State::Element if byte == b']' => self.fail("trailing comma", bytes),
            State::End => self.fail("trailing characters", bytes),
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
            b'"' => (Kind::String, State::Text),
            b'{' => (Kind::Object, State::FirstKey),
            b'[' => (Kind::Array, State::FirstElement),
            b'n' => (Kind::Null, State::Letters(Letters::Null, 1)),
            b't' => (Kind::Boolean, State::Letters(Letters::True, 1)),
            b'f' => (Kind::Boolean, State::Letters(Letters::False, 1)),
            b'-' | b'0'..=b'9' => (Kind::Number, State::Number(Number::of(byte))),
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
            Kind::String => return self.begin_text(false, after),
            Kind::Object | Kind::Array => {
                self.nest.push(self.is_object);
                self.is_object = kind == Kind::Object;
                self.characters = self.characters.wrapping_add(1);
            }
            Kind::Number => {
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
            Kind::Null | Kind::Boolean => {}
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
