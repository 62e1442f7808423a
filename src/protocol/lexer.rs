//! A strict incremental reader of JSON: takes a document in pieces that are cut anywhere, and
//! reports its values as they come.
//!
//! serde_json wants a document whole, and a request's body is read while it arrives. The
//! [scanner](super::scan) of responses is no substitute: it takes what is no JSON as well as it
//! can, where a request that is none is refused; and it knows the beginnings of scalars at few
//! levels alone. Errors are worded as serde_json's.

mod nest;
mod number;
mod numeric;
mod plain;
mod structure;
#[cfg(test)]
mod tests;

use self::nest::Nest;
use self::number::Number;
use super::json::JsonKind;

/// The most that is kept of a key or number. None that matters is longer.
const TOKEN_BYTES: usize = 32;

/// Takes what a [`Lexer`] finds. An error is what is wrong, in words.
pub(super) trait Sink {
    /// A value begins: says how it is read.
    fn begin(&mut self, kind: JsonKind) -> Result<Care, &'static str>;
    /// A container that is read has ended.
    fn close(&mut self, is_object: bool);
    /// The key of the value that comes.
    fn key(&mut self, key: &[u8]);
    /// A part of a text that is kept, with its escapes resolved.
    fn text(&mut self, part: &[u8]);
    /// A text that is read has ended, and had so many characters.
    fn end_text(&mut self, characters: usize);
    /// A number, boolean or null that is read.
    fn word(&mut self, word: Word<'_>) -> Result<(), &'static str>;
    /// A part of a value that is taken raw, as it came.
    fn raw(&mut self, part: &[u8]);
    /// A value that is not read has ended. `written` is its length in characters as templates write
    /// JSON: one space follows each comma and colon and there is no other, and `\u00e9` is one
    /// character.
    fn end_skipped(&mut self, written: usize);
}

/// A way to read a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// With all that it holds; of a text or number only the length.
    Read,
    /// As it is: a text with its parts, or a number.
    Keep,
    /// As it came.
    Raw,
    /// Not at all.
    Skip,
}

/// A value without parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word<'a> {
    Null,
    Boolean(bool),
    /// Its beginning, where it is kept; and whether it is an integer without a sign.
    Number(&'a [u8], bool),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Lexer {
    state: LexerState,
    /// True if the value that is being read is looked into.
    is_read: bool,
    /// True if the text or number that is being read is wanted itself.
    is_kept: bool,
    is_raw: bool,
    is_key: bool,
    is_negative: bool,
    /// The innermost container, of those that are open.
    is_object: bool,
    nest: Nest,
    /// The number of containers that were open where a value began that is not read.
    skipped_at: usize,
    /// Characters of the text that is being read, or of the value that is not.
    characters: usize,
    /// The code unit of an escape that is coming, and the surrogate before it.
    unit: u16,
    surrogate: Option<u16>,
    token: Vec<u8>,
    /// The end of what was fed.
    end: usize,
    line: usize,
    line_start: usize,
    steps: u64,
    failure: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LexerState {
    /// A value is to come, whatever stands around it.
    Value,
    FirstElement,
    Element,
    FirstKey,
    Key,
    Colon,
    /// A value of a container has ended.
    After,
    /// The document has ended.
    End,
    Text,
    /// A backslash came.
    Escape,
    /// So many digits of an escape are to come.
    Hex(u8),
    /// After a leading surrogate: a backslash is to come, then `u`.
    Trailing,
    TrailingU,
    /// So many letters of a word came.
    Letters(Letters, u8),
    Number(Number),
    /// It is no JSON.
    Failed,
}

/// A word of letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letters {
    Null,
    True,
    False,
}

// === impl Lexer ===

impl Default for Lexer {
    fn default() -> Self {
        Self {
            state: LexerState::Value,
            is_read: true,
            is_kept: false,
            is_raw: false,
            is_key: false,
            is_negative: false,
            is_object: false,
            nest: Nest::default(),
            skipped_at: 0,
            characters: 0,
            unit: 0,
            surrogate: None,
            token: Vec::new(),
            end: 0,
            line: 1,
            line_start: 0,
            steps: 0,
            failure: String::new(),
        }
    }
}

impl Lexer {
    /// Takes the next bytes of the document: valid UTF-8, whole characters.
    pub(super) fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        self.end = self.end.saturating_add(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.is_read {
                rest = self.step(rest, sink);
                continue;
            }
            let value = rest;
            while !self.is_read && !rest.is_empty() {
                rest = self.step(rest, sink);
            }
            if self.is_raw {
                sink.raw(value.get(..value.len().saturating_sub(rest.len())).unwrap_or_default());
            }
            self.end_skipped(sink);
        }
    }

    /// The document has ended.
    ///
    /// # Errors
    /// The first thing that is wrong with it, with its line and column.
    pub(super) fn finish(&mut self, sink: &mut impl Sink) -> Result<(), String> {
        if let LexerState::Number(number) = self.state
            && number.is_whole()
        {
            let was_read = self.is_read;
            self.end_number(number, &[], sink);
            if !was_read {
                self.end_skipped(sink);
            }
        }
        let missing = match self.state {
            LexerState::End => return Ok(()),
            LexerState::Failed => return Err(std::mem::take(&mut self.failure)),
            LexerState::Value
            | LexerState::Element
            | LexerState::Key
            | LexerState::Letters(..)
            | LexerState::Number(_) => "EOF while parsing a value",
            LexerState::FirstKey | LexerState::Colon => "EOF while parsing an object",
            LexerState::After if self.is_object => "EOF while parsing an object",
            LexerState::FirstElement | LexerState::After => "EOF while parsing a list",
            LexerState::Text
            | LexerState::Escape
            | LexerState::Hex(_)
            | LexerState::Trailing
            | LexerState::TrailingU => "EOF while parsing a string",
        };
        self.fail_after(missing, &[]);
        Err(std::mem::take(&mut self.failure))
    }

    /// True if it is no JSON, whatever follows.
    pub(super) fn has_failed(&self) -> bool {
        self.state == LexerState::Failed
    }

    /// Steps taken so far. Each costs about the same, beside what is passed over in runs.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// Goes on by a token or a part of one; returns what is behind it.
    #[inline]
    fn step<'a>(&mut self, bytes: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        self.steps = self.steps.wrapping_add(1);
        match self.state {
            LexerState::Text => self.text(bytes, sink),
            LexerState::Escape => self.escape(bytes, sink),
            LexerState::Hex(left) => self.hex(left, bytes, sink),
            LexerState::Trailing => self.expect(b'\\', LexerState::TrailingU, bytes),
            LexerState::TrailingU => self.expect(b'u', LexerState::Hex(4), bytes),
            LexerState::Letters(letters, came) => self.letters(letters, came, bytes, sink),
            LexerState::Number(number) => self.number(number, bytes, sink),
            LexerState::Failed => &[],
            _ => self.structure(bytes, sink),
        }
    }

    #[inline]
    fn go_to<'a>(&mut self, state: LexerState, rest: &'a [u8]) -> &'a [u8] {
        self.state = state;
        rest
    }

    fn expect<'a>(&mut self, expected: u8, state: LexerState, bytes: &'a [u8]) -> &'a [u8] {
        match bytes.split_first() {
            Some((byte, after)) if *byte == expected => self.go_to(state, after),
            _ => self.fail("unexpected end of hex escape", bytes),
        }
    }

    fn letters<'a>(&mut self, letters: Letters, came: u8, bytes: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let (spelt, word) = letters.spelt();
        let (mut came, mut rest) = (came, bytes);
        while let Some(&letter) = spelt.get(usize::from(came)) {
            let Some((&byte, after)) = rest.split_first() else {
                return self.go_to(LexerState::Letters(letters, came), rest);
            };
            if byte != letter {
                return self.fail("expected ident", rest);
            }
            (came, rest) = (came.wrapping_add(1), after);
        }
        self.characters = self.characters.wrapping_add(spelt.len());
        self.end_word(word, rest, sink)
    }

    /// A word has ended, before `rest`.
    #[inline]
    fn end_word<'a>(&mut self, word: Word<'_>, rest: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        if self.is_read
            && let Err(wrong) = sink.word(word)
        {
            self.fail_after(wrong, rest);
            return rest;
        }
        self.end_value(rest)
    }

    #[inline]
    fn end_value<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let depth = self.nest.depth();
        self.is_read |= depth == self.skipped_at;
        self.go_to(if depth == 0 { LexerState::End } else { LexerState::After }, rest)
    }

    fn end_skipped(&mut self, sink: &mut impl Sink) {
        if self.is_read && self.state != LexerState::Failed {
            sink.end_skipped(self.characters);
        }
    }

    #[inline]
    fn keep(&mut self, bytes: &[u8]) {
        let free = TOKEN_BYTES.saturating_sub(self.token.len());
        self.token.extend_from_slice(bytes.get(..free.min(bytes.len())).unwrap_or_default());
    }

    /// The first byte of `bytes` is wrong.
    #[cold]
    fn fail<'a>(&mut self, wrong: &str, bytes: &'a [u8]) -> &'a [u8] {
        self.fail_after(wrong, bytes.get(1..).unwrap_or_default());
        bytes
    }

    /// The text before `rest` is wrong.
    #[cold]
    fn fail_after(&mut self, wrong: &str, rest: &[u8]) {
        let column = self.end.saturating_sub(rest.len()).saturating_sub(self.line_start);
        self.failure = format!("{wrong} at line {} column {column}", self.line);
        self.state = LexerState::Failed;
        self.is_read = true;
    }
}

// === impl Letters ===

impl Letters {
    fn spelt(self) -> (&'static [u8], Word<'static>) {
        match self {
            Self::Null => (b"null", Word::Null),
            Self::True => (b"true", Word::Boolean(true)),
            Self::False => (b"false", Word::Boolean(false)),
        }
    }
}
