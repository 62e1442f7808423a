//! Reads a request's body while it comes.

use std::rc::Rc;

use super::measuring::{Measuring, Taking};
use super::{Ask, BodyError};
use crate::protocol::endpoint::Endpoint;
use crate::protocol::lexer::Lexer;
use crate::protocol::tokens::TokenCounter;
use crate::scheduling::prefix::PromptHasher;

/// In UTF-8; some clients write it before what they send.
const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// Takes a body in pieces that are cut anywhere, and keeps of it what an [`Ask`] needs.
///
/// Texts are measured in place; fields that do not matter are skipped unseen. Of a key that is
/// there twice the last one counts. Wrong types are left to the model server to judge, except where
/// the request could not be scheduled as the client means it: in the model's name, the prompt
/// itself and the numbers that limit the output.
#[derive(Debug)]
pub struct AskReader {
    endpoint: Endpoint,
    lexer: Lexer,
    measuring: Measuring,
    /// Bytes that were read, without a byte order mark.
    position: usize,
    has_begun: bool,
    /// Bytes of a character whose rest has not come.
    is_cut: bool,
    /// The bytes after these are not UTF-8.
    is_broken: bool,
}

// === impl Ask ===

impl Ask {
    /// Reads a request's body that is there whole, as [`AskReader`] does.
    ///
    /// # Errors
    /// A [`BodyError`] that says what is wrong and what was expected.
    pub fn read(endpoint: Endpoint, body: &[u8], counter: Option<&dyn TokenCounter>) -> Result<Self, BodyError> {
        let mut reader = AskReader::new(endpoint);
        reader.feed(body, counter);
        reader.finish(counter)
    }
}

// === impl AskReader ===

impl AskReader {
    /// Of a body that `endpoint` takes.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            lexer: Lexer::default(),
            endpoint,
            measuring: Measuring::default(),
            position: 0,
            has_begun: false,
            is_cut: false,
            is_broken: false,
        }
    }

    /// Also hashes the prompt: the request then has [heads](Ask::heads). `key` is the pool's
    /// secret.
    pub fn with_heads(mut self, key: u64) -> Self {
        self.measuring.hasher = Some(Box::new(PromptHasher::new(key)));
        self
    }

    /// Takes what comes next; returns how many bytes of it were read. The others are the beginning
    /// of a character, and are to be given again with its rest.
    pub fn feed(&mut self, piece: &[u8], counter: Option<&dyn TokenCounter>) -> usize {
        if self.is_wrong() {
            return piece.len();
        }
        let (whole, is_utf8) = match str::from_utf8(piece) {
            Ok(text) => (text.as_bytes(), true),
            Err(error) => (piece.get(..error.valid_up_to()).unwrap_or_default(), error.error_len().is_none()),
        };
        self.is_cut = whole.len() < piece.len();
        let text = whole.strip_prefix(BYTE_ORDER_MARK).filter(|_| !self.has_begun).unwrap_or(whole);
        self.has_begun |= !whole.is_empty();
        self.position = self.position.saturating_add(text.len());
        let mut taking = Taking { measuring: &mut self.measuring, endpoint: self.endpoint, counter };
        self.lexer.feed(text, &mut taking);
        if is_utf8 {
            return whole.len();
        }
        self.is_broken = true;
        piece.len()
    }

    /// True if it is wrong, whatever follows.
    pub fn is_wrong(&self) -> bool {
        self.is_broken || self.lexer.has_failed()
    }

    /// The body has ended.
    ///
    /// # Errors
    /// A [`BodyError`] that says what is wrong first, and what was expected.
    pub fn finish(mut self, counter: Option<&dyn TokenCounter>) -> Result<Ask, BodyError> {
        if (self.is_broken || self.is_cut) && !self.lexer.has_failed() {
            return Err(BodyError::NotUtf8 { at_byte: self.position });
        }
        let mut taking = Taking { measuring: &mut self.measuring, endpoint: self.endpoint, counter };
        let whole = self.lexer.finish(&mut taking);
        if let Some(found) = self.measuring.not_an_object {
            return Err(BodyError::NotAnObject { found });
        }
        whole.map_err(|reason| BodyError::NotJson { reason })?;
        let Measuring { fields, hasher, .. } = self.measuring;
        let heads = hasher.map(|hasher| Rc::new(hasher.finish(&fields.identity()))).unwrap_or_default();
        Ok(Ask { heads, ..fields.judge(self.endpoint)? })
    }

    /// The steps that reading took so far.
    pub fn steps(&self) -> u64 {
        self.lexer.steps()
    }

    /// WebAssembly instructions that counting tokens took so far, as estimated from above.
    pub const fn counting_work(&self) -> u64 {
        self.measuring.text.work()
    }
}
