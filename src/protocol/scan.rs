//! An incremental reader of JSON: says where in a document each scalar stands, and keeps nothing of
//! it.
//!
//! Written by hand because the readers on crates.io want a document whole; a response comes in
//! chunks that are split anywhere, may have megabytes in front of what matters or behind it, and is
//! passed on meanwhile.

mod key;
mod skip;
#[cfg(test)]
mod tests;

pub(super) use self::key::Key;

/// The deepest level whose scalars are told; what lies deeper is skipped.
const DEPTH_MAX: usize = 12;
/// Longest part of a scalar that is handed on.
const TOKEN_BYTES: usize = 256;
/// The bytes of a byte order mark, in UTF-8.
const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// Takes what a [`Scanner`] finds. A path is the keys of a value and of all that it stands in, the
/// outermost first.
pub(super) trait ScanSink {
    /// An object or array begins. `false`: nothing within matters.
    fn open(&mut self, path: &[Key], is_object: bool) -> bool;
    /// A scalar.
    fn scalar(&mut self, path: &[Key], value: Value<'_>);
}

/// A scalar, of which the first bytes are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A string; its escapes are as they came.
    Text(&'a [u8]),
    /// A number, `true`, `false`, `null`, or what is no JSON.
    Word(&'a [u8]),
}

/// See the module. It takes what is no JSON as well as it can.
#[derive(Debug)]
pub(super) struct Scanner {
    state: ScanState,
    /// The keys of the value that comes next and of all that it stands in; `depth` of them are in
    /// force.
    path: [Key; DEPTH_MAX],
    depth: usize,
    /// Kind of each of the containers, by bit: 1 for an object.
    objects: u32,
    /// A string that begins now is a key.
    expects_key: bool,
    /// Containers that are open within one that does not matter, that one included.
    skipped: u32,
    token: [u8; TOKEN_BYTES],
    length: usize,
    /// `true` once a value has begun, and once anything stands where nothing may.
    begun: bool,
    broken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScanState {
    Between,
    Text,
    /// A backslash came.
    Escape,
    Word,
}

// === impl Scanner ===

impl Default for Scanner {
    fn default() -> Self {
        Self {
            state: ScanState::Between,
            path: [Key::Other; DEPTH_MAX],
            depth: 0,
            objects: 0,
            expects_key: false,
            skipped: 0,
            token: [0; TOKEN_BYTES],
            length: 0,
            begun: false,
            broken: false,
        }
    }
}

impl Scanner {
    /// Takes the next bytes of the document.
    pub(super) fn feed(&mut self, bytes: &[u8], sink: &mut impl ScanSink) {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            rest = match self.state {
                ScanState::Between if self.skipped > 0 => self.skip(rest),
                ScanState::Between => {
                    self.between(byte, sink);
                    after
                }
                ScanState::Text => self.text(rest, sink),
                ScanState::Escape => {
                    self.keep(&[byte]);
                    self.state = ScanState::Text;
                    after
                }
                ScanState::Word if is_of_word(byte) => {
                    self.keep(&[byte]);
                    after
                }
                ScanState::Word => {
                    self.end_word(sink);
                    rest
                }
            };
        }
    }

    /// The document has ended. Says whether it was whole.
    pub(super) fn finish(&mut self, sink: &mut impl ScanSink) -> bool {
        if self.state == ScanState::Word {
            self.end_word(sink);
        }
        self.has_ended() && !self.broken
    }

    /// Returns `true` once a value has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Returns `true` once a whole value has come.
    pub(super) fn has_ended(&self) -> bool {
        self.begun && self.depth == 0 && self.skipped == 0 && self.state == ScanState::Between
    }

    fn between(&mut self, byte: u8, sink: &mut impl ScanSink) {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b':' => return,
            _ if !self.begun && BYTE_ORDER_MARK.contains(&byte) => return,
            b',' => return self.next_member(),
            b'}' | b']' => return self.close(),
            _ => {}
        }
        // A second value of the whole document.
        self.broken |= self.begun && self.depth == 0;
        self.begun = true;
        match byte {
            b'{' | b'[' => self.open(byte == b'{', sink),
            b'"' => {
                self.length = 0;
                self.state = ScanState::Text;
            }
            _ => {
                self.length = 0;
                self.keep(&[byte]);
                self.state = ScanState::Word;
            }
        }
    }

    fn open(&mut self, is_object: bool, sink: &mut impl ScanSink) {
        if !sink.open(self.path(), is_object) || self.depth >= DEPTH_MAX {
            self.skipped = 1;
            return;
        }
        let bit = 1_u32.checked_shl(u32::try_from(self.depth).unwrap_or_default()).unwrap_or_default();
        self.objects = if is_object { self.objects | bit } else { self.objects & !bit };
        self.depth = self.depth.saturating_add(1);
        self.next_member();
    }

    fn close(&mut self) {
        match self.depth.checked_sub(1) {
            Some(depth) => self.depth = depth,
            None => self.broken = true,
        }
        self.expects_key = false;
    }

    /// Expects the next key of an object or element of an array.
    fn next_member(&mut self) {
        let Some(level) = self.depth.checked_sub(1) else {
            self.broken = true;
            return;
        };
        let bit = 1_u32.checked_shl(u32::try_from(level).unwrap_or_default()).unwrap_or_default();
        self.expects_key = self.objects & bit != 0;
        if let Some(key) = self.path.get_mut(level) {
            *key = if self.expects_key { Key::Other } else { Key::Item };
        }
    }

    /// Goes on within a string; returns what is behind it.
    fn text<'a>(&mut self, bytes: &'a [u8], sink: &mut impl ScanSink) -> &'a [u8] {
        let mut bytes = bytes;
        // Of a long string the rest is only passed over.
        while self.length >= TOKEN_BYTES
            && let Some((b'\\', [_, after @ ..])) = bytes.split_first()
        {
            bytes = after;
        }
        let Some(at) = memchr::memchr2(b'"', b'\\', bytes) else {
            self.keep(bytes);
            return &[];
        };
        let (text, rest) = bytes.split_at_checked(at).unwrap_or((bytes, &[]));
        self.keep(text);
        if rest.first() == Some(&b'\\') {
            self.keep(b"\\");
            self.state = ScanState::Escape;
        } else {
            self.state = ScanState::Between;
            self.end_text(sink);
        }
        rest.get(1..).unwrap_or_default()
    }

    fn end_text(&mut self, sink: &mut impl ScanSink) {
        if self.skipped > 0 {
            return;
        }
        let token = self.token.get(..self.length).unwrap_or_default();
        if self.expects_key {
            self.expects_key = false;
            let level = self.depth.saturating_sub(1);
            if let Some(key) = self.path.get_mut(level) {
                *key = Key::of(token);
            }
        } else {
            sink.scalar(self.path(), Value::Text(token));
        }
    }

    fn end_word(&mut self, sink: &mut impl ScanSink) {
        self.state = ScanState::Between;
        let token = self.token.get(..self.length).unwrap_or_default();
        sink.scalar(self.path(), Value::Word(token));
    }

    /// Goes on within what does not matter; returns what is behind it, or a string in it.
    fn skip<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut rest = skip::to_structure(bytes);
        while let Some((&byte, after)) = rest.split_first() {
            match byte {
                b'"' => {
                    // As if all of it were known, so that none is kept.
                    self.length = TOKEN_BYTES;
                    self.state = ScanState::Text;
                    return after;
                }
                b'{' | b'[' => self.skipped = self.skipped.saturating_add(1),
                b'}' | b']' => self.skipped = self.skipped.saturating_sub(1),
                _ => return rest,
            }
            rest = after;
            if self.skipped == 0 {
                break;
            }
        }
        rest
    }

    /// Keeps the beginning of a token.
    fn keep(&mut self, bytes: &[u8]) {
        let Some(free) = self.token.get_mut(self.length..) else { return };
        let count = free.len().min(bytes.len());
        if let Some((to, from)) = free.get_mut(..count).zip(bytes.get(..count)) {
            to.copy_from_slice(from);
            self.length = self.length.saturating_add(count);
        }
    }

    fn path(&self) -> &[Key] {
        self.path.get(..self.depth).unwrap_or_default()
    }
}

const fn is_of_word(byte: u8) -> bool {
    !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b'{' | b'}' | b'[' | b']' | b'"')
}

// === impl Value ===

impl Value<'_> {
    /// Returns `true` if it says nothing: an empty string, `null` or `false`.
    pub(super) fn is_nothing(self) -> bool {
        matches!(self, Self::Text(b"") | Self::Word(b"null" | b"false"))
    }

    /// A number, also one in a string.
    pub(super) fn number(self) -> Option<f64> {
        let (Self::Text(digits) | Self::Word(digits)) = self;
        str::from_utf8(digits).ok()?.parse().ok()
    }
}
