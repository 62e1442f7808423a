//! Hashes the content of a prompt while it is read, section by section.
//!
//! Content means what a chat template writes: roles and texts, and images by their hash. Whatever
//! stands in fields of its own (tools, the model's name, the salt of a cache) is mixed into every
//! head in the end, so that the order of a body's fields does not matter. Parameters of sampling
//! never enter. All hashes are keyed: without the key nobody finds out what was asked by comparing
//! heads.

use std::fmt;

use super::heads::{HEADS_MAX, PromptHead, PromptHeads};
use super::running::{Mark, RunningHash, mix};
use super::text_hash::TextHash;

/// Bytes of content that an image or a file counts for: about a thousand tokens.
const ATTACHMENT_BYTES: u64 = 4096;

/// Separates a role from the text behind it; no byte of UTF-8.
const ROLE_END: &[u8] = &[0xFE];

/// The part of a prompt that a field of the body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Instructions before the content, in a field of their own.
    Preamble,
    /// Messages, or a plain prompt.
    Content,
    /// Definitions of tools, of functions, documents, and variables of a stored template, which
    /// enter every head.
    Beside(Beside),
}

/// A field beside the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Definitions of tools.
    Tools,
    /// Definitions of functions, in OpenAI's older form.
    Functions,
    /// Documents to answer from.
    Documents,
    /// A stored template and its variables.
    Template,
}

/// See the module.
#[derive(Clone)]
pub struct PromptHasher {
    key: u64,
    preamble: RunningHash,
    content: RunningHash,
    beside: [Mark; 4],
    /// The section that is being read.
    section: Option<Section>,
    /// Hash of what is read apart from the content: a field beside it, or an attachment.
    apart: TextHash,
    apart_bytes: u64,
    is_attachment: bool,
    /// Only the first prompt of a batch is hashed: what follows it is counted.
    is_behind_first: bool,
    behind_first: u64,
}

// === impl PromptHasher ===

impl fmt::Debug for PromptHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromptHasher").field("section", &self.section).finish_non_exhaustive()
    }
}

impl PromptHasher {
    /// `key` is the pool's secret.
    pub fn new(key: u64) -> Self {
        Self {
            key,
            preamble: RunningHash::new(key),
            content: RunningHash::new(key),
            beside: Default::default(),
            section: None,
            apart: TextHash::new(key),
            apart_bytes: 0,
            is_attachment: false,
            is_behind_first: false,
            behind_first: 0,
        }
    }

    /// The value of a field begins; one that came before for the same section counts no more.
    pub fn begin(&mut self, section: Section) {
        self.section = Some(section);
        match section {
            Section::Preamble => self.preamble = RunningHash::new(self.key),
            Section::Content => {
                self.content = RunningHash::new(self.key);
                (self.is_behind_first, self.behind_first) = (false, 0);
            }
            Section::Beside(field) => {
                self.begin_apart();
                if let Some(mark) = self.beside.get_mut(field.at()) {
                    *mark = Mark::default();
                }
            }
        }
    }

    /// The section that is being read.
    pub fn section(&self) -> Option<Section> {
        self.section
    }

    /// A part of a text.
    #[inline]
    pub fn text(&mut self, part: &[u8]) {
        match self.section {
            None => {}
            Some(Section::Beside(_)) => self.update_apart(part),
            Some(_) if self.is_attachment => self.update_apart(part),
            Some(Section::Content) if self.is_behind_first => {
                self.behind_first = self.behind_first.saturating_add(part.len() as u64);
            }
            Some(Section::Content) => self.content.update(part),
            Some(Section::Preamble) => self.preamble.update(part),
        }
    }

    /// A part of an image or a file, or of what says where it is.
    pub fn attachment(&mut self, part: &[u8]) {
        if self.is_attachment {
            self.update_apart(part);
        }
    }

    /// A token's id, where a prompt is made of these.
    pub fn token_id(&mut self, id: u64) {
        // Four bytes for each, as if it were text.
        self.text(&(id as u32).to_le_bytes());
    }

    /// The role of a message.
    pub fn role(&mut self, role: &[u8]) {
        if !matches!(self.section, Some(Section::Beside(_))) {
            self.text(role);
            self.text(ROLE_END);
        }
    }

    /// An image or a file begins within the content: it counts by its hash.
    pub fn begin_attachment(&mut self) {
        if matches!(self.section, Some(Section::Preamble | Section::Content)) {
            self.is_attachment = true;
            self.begin_apart();
        }
    }

    /// It has ended.
    pub fn end_attachment(&mut self) {
        if !std::mem::take(&mut self.is_attachment) || self.apart_bytes == 0 {
            return;
        }
        let digest = self.apart.digest().to_le_bytes();
        match self.section {
            Some(Section::Content) if self.is_behind_first => {
                self.behind_first = self.behind_first.saturating_add(ATTACHMENT_BYTES);
            }
            Some(Section::Content) => self.content.attach(digest, ATTACHMENT_BYTES),
            Some(Section::Preamble) => self.preamble.attach(digest, ATTACHMENT_BYTES),
            _ => {}
        }
    }

    /// A message has ended, or the prompt.
    pub fn end_message(&mut self) {
        match self.section {
            Some(Section::Content) if !self.is_behind_first => {
                self.content.end_message();
            }
            Some(Section::Preamble) => {
                self.preamble.end_message();
            }
            _ => {}
        }
    }

    /// The first prompt of a batch has ended.
    pub fn end_first(&mut self) {
        self.end_message();
        self.is_behind_first = true;
    }

    /// The value of the field has ended. `is_empty`: no template writes it.
    pub fn end(&mut self, is_empty: bool) {
        self.is_attachment = false;
        if self.section == Some(Section::Content) && self.content.is_within_message() {
            self.end_message();
        }
        if let Some(Section::Beside(field)) = self.section.take()
            && !is_empty
            && self.apart_bytes > 0
            && let Some(mark) = self.beside.get_mut(field.at())
        {
            *mark = Mark { hash: self.apart.digest(), position: self.apart_bytes };
        }
    }

    /// The body has ended: returns the heads of its prompt. `identity` are the names that tell
    /// apart what is not cached together: model or adapter, salt, stored conversation.
    pub fn finish(&self, identity: &[&str]) -> PromptHeads {
        let mut names = TextHash::new(self.key);
        for name in identity {
            names.update(&(name.len() as u64).to_le_bytes());
            names.update(name.as_bytes());
        }
        let before = self.beside.iter().fold(names.digest(), |before, field| mix(before, field.hash));
        let offset = self.beside.iter().fold(0_u64, |sum, field| sum.saturating_add(field.position));
        let preamble = self.preamble.mark();
        let (with_preamble, behind_preamble) = (mix(before, preamble.hash), offset.saturating_add(preamble.position));
        let head_of = |mark: Mark, (before, offset): (u64, u64)| PromptHead {
            fingerprint: mix(before, mark.hash),
            position: saturated(offset.saturating_add(mark.position)),
        };
        let in_preamble = |mark| head_of(mark, (before, offset));
        let in_content = |mark| head_of(mark, (with_preamble, behind_preamble));
        let mut heads: Vec<PromptHead> = self.content.ends().map(in_content).collect();
        heads.extend(Some(preamble).filter(|mark| mark.position > 0).map(in_preamble));
        let places = self.preamble.places().map(in_preamble).chain(self.content.places().map(in_content));
        thin_out(places, HEADS_MAX.saturating_sub(heads.len()), &mut heads);
        heads.sort_by_key(|head| head.position);
        heads.dedup_by_key(|head| head.position);
        let content = self.content.position().saturating_add(self.behind_first);
        PromptHeads::new(heads, saturated(behind_preamble.saturating_add(content)))
    }

    fn begin_apart(&mut self) {
        self.apart = TextHash::new(self.key);
        self.apart_bytes = 0;
    }

    #[inline]
    fn update_apart(&mut self, part: &[u8]) {
        self.apart.update(part);
        self.apart_bytes = self.apart_bytes.saturating_add(part.len() as u64);
    }
}

/// Takes as many of the places as there is room for, from the first on: of two sections, those that
/// are an eighth further than the one before. Equal beginnings have equal places.
fn thin_out(places: impl Iterator<Item = PromptHead>, room: usize, heads: &mut Vec<PromptHead>) {
    let mut next = 0_u32;
    let spaced = places.filter(|head| {
        let is_far = head.position >= next;
        if is_far {
            next = head.position.saturating_add(head.position >> 3);
        }
        is_far
    });
    heads.extend(spaced.take(room));
}

fn saturated(position: u64) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

// === impl Beside ===

impl Beside {
    const fn at(self) -> usize {
        match self {
            Self::Tools => 0,
            Self::Functions => 1,
            Self::Documents => 2,
            Self::Template => 3,
        }
    }
}
