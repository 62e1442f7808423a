//! Body of a request while it is read.

use std::rc::Rc;

use super::host::{Buffer, Host};
use super::intent::Wish;
use crate::config::PromptTokens;
use crate::protocol::{Ask, AskReader, NameReader, Named, NamingBody, PromptSize, Refusal, TokenCounter};

/// Most that a callback spends on reading, in WebAssembly instructions as estimated below; a piece
/// may go beyond it.
const WORK: u64 = 1_000_000;
/// Bytes copied from Envoy at once. The longest head of a part of a form fits in.
const PIECE: usize = 16 * 1024;
/// Bytes read before the work is looked at again: of JSON, and where tokens are counted.
const SLICE: usize = 2 * 1024;
const COUNTED_SLICE: usize = 64;

/// Instructions for a step of a reader at most, and for each byte in some way.
const STEP: u64 = 250;
const BYTE: u64 = 30;
const SCANNED_BYTE: u64 = 100;
const FORM_STEP: u64 = 200;
const FORM_BYTE: u64 = 8;

/// A body is searched for a name up to here: less than Envoy keeps of it by default, which it would
/// answer with a 413 beyond.
const MOST_SEARCHED: usize = 768 * 1024;

/// A body that is being read.
#[derive(Debug)]
pub(super) struct Body {
    reader: Reader,
    /// Bytes that have come, and those of them that were read.
    received: usize,
    read: usize,
    pub(super) is_whole: bool,
}

/// A body's content, as far as it was read.
#[derive(Debug)]
pub(super) struct BodyContent {
    /// The request that it states.
    pub ask: Ask,
    /// Its size.
    pub bytes: u64,
}

#[derive(Debug)]
enum Reader {
    Ask(Box<AskReader>),
    Name(Box<NameReader>),
}

/// The state of a body after a callback read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadProgress {
    /// More has come.
    Unread,
    /// More may come.
    UpToDate,
    /// As far as it is to be.
    Done,
}

/// Counts tokens where the configuration says so.
pub(super) struct Tokenizer {
    #[cfg(feature = "exact")]
    counter: Option<crate::protocol::Cl100k>,
}

// === impl Tokenizer ===

impl Tokenizer {
    #[cfg(feature = "exact")]
    pub(super) fn new(wanted: PromptTokens) -> Self {
        Self { counter: (wanted == PromptTokens::Exact).then(crate::protocol::Cl100k::load) }
    }

    #[cfg(not(feature = "exact"))]
    pub(super) fn new(_: PromptTokens) -> Self {
        Self {}
    }

    pub(super) fn counter(&self) -> Option<&dyn TokenCounter> {
        #[cfg(feature = "exact")]
        return self.counter.as_ref().map(|counter| counter as &dyn TokenCounter);
        #[cfg(not(feature = "exact"))]
        None
    }
}

// === impl Body ===

impl Body {
    /// Of a request that is scheduled. `secret` keys the hashes of its prompt, where these are
    /// wanted.
    pub(super) fn of(wish: &Wish, secret: Option<u64>) -> Self {
        let secret = secret.filter(|_| wish.policy.looks_at_runs);
        let reader = match &wish.form {
            Some(form) => Reader::Name(Box::new(NameReader::new(form.clone()))),
            None => {
                let reader = AskReader::new(wish.endpoint);
                Reader::Ask(Box::new(match secret {
                    Some(secret) => reader.with_heads(secret),
                    None => reader,
                }))
            }
        };
        Self::new(reader)
    }

    /// Of a request that is not scheduled, of which only the model's name matters.
    pub(super) fn naming(body: NamingBody) -> Self {
        Self::new(Reader::Name(Box::new(NameReader::new(body))))
    }

    fn new(reader: Reader) -> Self {
        Self { reader, received: 0, read: 0, is_whole: false }
    }

    /// So much of it has come.
    pub(super) fn received(&mut self, size: usize, is_whole: bool) {
        self.received = size;
        self.is_whole |= is_whole;
    }

    /// All of it has come.
    pub(super) fn ended(&mut self) {
        self.is_whole = true;
    }

    pub(super) fn read_on(&mut self, host: &impl Host, counter: Option<&dyn TokenCounter>) -> ReadProgress {
        let mut work = 0_u64;
        while self.read < self.received && !self.reader.is_wrong() {
            let size = PIECE.min(self.received.saturating_sub(self.read));
            let piece = host.buffer(Buffer::RequestBody, self.read, size).unwrap_or_default();
            let (read, cost) = self.reader.feed_in_slices(&piece, WORK.saturating_sub(work), counter);
            self.read = self.read.saturating_add(read);
            work = work.saturating_add(cost);
            if self.reader.is_done() {
                return ReadProgress::Done;
            }
            if work >= WORK && self.read < self.received {
                return if self.is_searched_enough() { ReadProgress::Done } else { ReadProgress::Unread };
            }
            if read == 0 {
                break;
            }
        }
        if self.is_whole || self.is_searched_enough() { ReadProgress::Done } else { ReadProgress::UpToDate }
    }

    /// True once it is to be held no longer for a name, lest it outgrow what Envoy keeps.
    fn is_searched_enough(&self) -> bool {
        matches!(self.reader, Reader::Name(_)) && !self.is_whole && self.received >= MOST_SEARCHED
    }

    pub(super) fn said(self, counter: Option<&dyn TokenCounter>) -> Result<BodyContent, Refusal> {
        let bytes = u64::try_from(self.received).unwrap_or(u64::MAX);
        match self.reader {
            Reader::Ask(reader) => {
                reader.finish(counter).map(|ask| BodyContent { ask, bytes }).map_err(Refusal::BodyInvalid)
            }
            Reader::Name(_) => {
                // Of a form nothing tells how long the prompt is.
                let prompt = PromptSize { others: 1, ..PromptSize::default() };
                let model = self.name();
                let ask = Ask {
                    model,
                    prompt,
                    max_output_tokens: None,
                    choices: 1,
                    answered_choices: 1,
                    stream: false,
                    previous_response: None,
                    heads: Rc::default(),
                };
                Ok(BodyContent { ask, bytes })
            }
        }
    }

    pub(super) fn name(&self) -> Option<String> {
        match &self.reader {
            Reader::Name(reader) => match reader.named() {
                Named::Model(name) => Some(name.clone()),
                Named::NotYet | Named::Nothing => None,
            },
            Reader::Ask(_) => None,
        }
    }
}

// === impl Reader ===

impl Reader {
    /// Takes a piece until that was so much work; returns how much of it was read, and the work
    /// that it was.
    fn feed_in_slices(&mut self, piece: &[u8], most: u64, counter: Option<&dyn TokenCounter>) -> (usize, u64) {
        let slice = match self {
            Self::Name(reader) if reader.is_form() => PIECE,
            _ if counter.is_some() => COUNTED_SLICE,
            _ => SLICE,
        };
        let (mut read, mut work) = (0_usize, 0_u64);
        while read < piece.len() && work < most {
            let rest = piece.get(read..).unwrap_or_default();
            let slice = rest.get(..slice.min(rest.len())).unwrap_or_default();
            let count = self.feed(slice, counter, &mut work);
            if count == 0 {
                break;
            }
            read = read.saturating_add(count);
        }
        (read, work)
    }

    /// Takes a slice; returns how much of it was read, and adds the work that it was.
    fn feed(&mut self, slice: &[u8], counter: Option<&dyn TokenCounter>, work: &mut u64) -> usize {
        let (steps_before, counting_before) = (self.steps(), self.counting_work());
        let (read, step, byte) = match self {
            Self::Ask(reader) => (reader.feed(slice, counter), STEP, BYTE),
            Self::Name(reader) if reader.is_form() => (reader.feed(slice), FORM_STEP, FORM_BYTE),
            Self::Name(reader) => (reader.feed(slice), FORM_STEP, SCANNED_BYTE),
        };
        let bytes = u64::try_from(slice.len()).unwrap_or(u64::MAX).saturating_mul(byte);
        let steps = self.steps().saturating_sub(steps_before).saturating_mul(step);
        let counting = self.counting_work().saturating_sub(counting_before);
        *work = work.saturating_add(bytes).saturating_add(steps).saturating_add(counting);
        read
    }

    fn steps(&self) -> u64 {
        match self {
            Self::Ask(reader) => reader.steps(),
            Self::Name(reader) => reader.steps(),
        }
    }

    fn counting_work(&self) -> u64 {
        match self {
            Self::Ask(reader) => reader.counting_work(),
            Self::Name(_) => 0,
        }
    }

    /// True if it is refused, whatever follows; its client is told once all of it has come.
    fn is_wrong(&self) -> bool {
        matches!(self, Self::Ask(reader) if reader.is_wrong())
    }

    /// True if the rest says nothing more.
    fn is_done(&self) -> bool {
        matches!(self, Self::Name(reader) if *reader.named() != Named::NotYet)
    }
}
