//! Measures the values of a body as the lexer finds them.

use super::content::{ContentObject, Measured, Tally};
use super::document::{Field, Fields};
use super::parameters::{Parameter, Parameters};
use super::shape::ValueShape;
use super::text::TokenSum;
use crate::protocol::endpoint::Endpoint;
use crate::protocol::json::{JsonKind, Scalar};
use crate::protocol::lexer::{Care, Sink, Word};
use crate::protocol::tokens::TokenCounter;
use crate::scheduling::prefix::{PromptHasher, Section};

/// The deepest that containers are measured, as in serde_json; none that is not looked into counts.
const DEPTH_MAX: usize = 128;
/// The most that is kept of a text. No name is longer.
const KEPT_BYTES: usize = 1024;

/// The part read so far.
#[derive(Debug, Default)]
pub(super) struct Measuring {
    pub(super) fields: Fields,
    has_begun: bool,
    pub(super) not_an_object: Option<JsonKind>,
    /// The field that is being read, if it matters, and how.
    field: Option<(Field, ValueShape)>,
    /// The containers that are open in it, as far as they are looked into.
    depth: usize,
    /// Its value as far as it was measured, and the objects that are open in it.
    value: Measured,
    objects: Vec<ContentObject>,
    /// Arrays that are open in the innermost of these.
    arrays: u32,
    parameters: Parameters,
    parameter: Option<Parameter>,
    /// The value that has begun last, and whether it is taken as it is.
    kind: JsonKind,
    is_scalar: bool,
    pub(super) text: TokenSum,
    kept: Vec<u8>,
    /// Takes the content of the prompt, where its heads are wanted.
    pub(super) hasher: Option<Box<PromptHasher>>,
}

/// [`Measuring`] while it takes a piece.
pub(super) struct Taking<'a> {
    pub(super) measuring: &'a mut Measuring,
    pub(super) endpoint: Endpoint,
    pub(super) counter: Option<&'a dyn TokenCounter>,
}

// === impl Measuring ===

impl Measuring {
    /// The way the value that comes is read, by where it stands; `None` where it does not matter.
    fn shape(&self) -> Option<ValueShape> {
        let (_, shape) = self.field?;
        match (shape, self.objects.last()) {
            (ValueShape::Measured { .. }, Some(object)) if object.is_role() && !self.is_hashed() => None,
            (ValueShape::Measured { all_keys }, Some(object)) => object.shape(all_keys),
            (ValueShape::Parameters, _) if self.depth > 0 => self.parameter.map(|_| ValueShape::Scalar),
            _ => Some(shape),
        }
    }

    /// The sums that what comes is added to.
    fn tally(&mut self) -> &mut Tally {
        self.objects.last_mut().map_or(&mut self.value.tally, ContentObject::tally)
    }

    /// A value that is measured has ended, and was added to the sums.
    fn end_measured(&mut self, kind: JsonKind, endpoint: Endpoint) {
        if !self.objects.is_empty() {
            return;
        }
        let field = self.field.map(|(field, _)| field);
        match self.arrays {
            0 => {
                self.hash(|hasher| hasher.end(kind == JsonKind::Null));
                self.value.kind = kind;
                self.value.items |= u32::from(matches!(kind, JsonKind::String | JsonKind::Object));
                let value = std::mem::take(&mut self.value);
                if let Some(field) = field {
                    self.fields.set_measured(field, endpoint, value);
                }
            }
            1 if kind != JsonKind::Number => {
                self.value.items = self.value.items.saturating_add(1);
                let is_batch = field.is_some_and(|field| field.is_batch(endpoint));
                self.hash(|hasher| if is_batch { hasher.end_first() } else { hasher.end_message() });
            }
            _ => {}
        }
    }

    fn take_scalar(&mut self, value: Scalar) {
        self.hash(PromptHasher::end_attachment);
        match (self.objects.last_mut(), self.field) {
            (Some(object), _) => object.tell(&value),
            (None, Some((_, ValueShape::Parameters))) => {
                if let Some(parameter) = self.parameter {
                    self.parameters.set(parameter, &value);
                }
            }
            (None, Some((field, _))) => self.fields.set_scalar(field, value),
            (None, None) => {}
        }
    }

    /// A value begins: the field's own, or an image or file within it.
    fn begin_hashing(&mut self, kind: JsonKind, endpoint: Endpoint) {
        let Some(hasher) = &mut self.hasher else { return };
        match (self.objects.last(), self.field) {
            (Some(object), _) if object.is_attachment() && (self.is_scalar || kind == JsonKind::String) => {
                hasher.begin_attachment();
            }
            (None, Some((field, _))) if self.depth == 0 => {
                if let Some(section) = field.section(endpoint) {
                    hasher.begin(section);
                }
            }
            _ => {}
        }
    }

    /// Returns `true` if what comes belongs to a prompt that is hashed.
    fn is_hashed(&self) -> bool {
        self.hasher.as_ref().is_some_and(|hasher| hasher.section().is_some())
    }

    /// Returns `true` if numbers that come are tokens' ids of such a prompt.
    fn are_ids_hashed(&self) -> bool {
        let section = self.hasher.as_ref().and_then(|hasher| hasher.section());
        self.objects.is_empty() && section == Some(Section::Content)
    }

    #[inline]
    fn hash(&mut self, take: impl FnOnce(&mut PromptHasher)) {
        if let Some(hasher) = &mut self.hasher {
            take(hasher);
        }
    }
}

// === impl Taking ===

impl Sink for Taking<'_> {
    fn begin(&mut self, kind: JsonKind) -> Result<Care, &'static str> {
        let measuring = &mut *self.measuring;
        if !measuring.has_begun {
            measuring.has_begun = true;
            measuring.not_an_object = Some(kind).filter(|kind| *kind != JsonKind::Object);
            return if kind == JsonKind::Object { Ok(Care::Read) } else { Err("expected an object") };
        }
        measuring.kind = kind;
        let Some(shape) = measuring.shape() else { return Ok(Care::Skip) };
        measuring.is_scalar = shape == ValueShape::Scalar;
        measuring.begin_hashing(kind, self.endpoint);
        if shape == ValueShape::Json {
            return Ok(Care::Raw);
        }
        if !matches!(kind, JsonKind::Array | JsonKind::Object) {
            measuring.kept.clear();
            return Ok(match (shape, kind) {
                (ValueShape::Parameters, _) => Care::Skip,
                (ValueShape::Scalar, _) => Care::Keep,
                (_, JsonKind::String) if self.counter.is_some() || measuring.is_hashed() => Care::Keep,
                (_, JsonKind::Number) if measuring.are_ids_hashed() => Care::Keep,
                _ => Care::Read,
            });
        }
        // The document is one level, and this another.
        if measuring.depth.saturating_add(2) >= DEPTH_MAX {
            return Err("recursion limit exceeded");
        }
        match (shape, kind) {
            (ValueShape::Parameters, JsonKind::Object) => measuring.parameters = Parameters::default(),
            (ValueShape::Measured { .. }, JsonKind::Object) => {
                measuring.objects.push(ContentObject::within(measuring.arrays));
                measuring.arrays = 0;
            }
            (ValueShape::Measured { .. }, _) => measuring.arrays = measuring.arrays.saturating_add(1),
            // Of an image or a file that is hashed.
            _ if measuring.is_hashed() => return Ok(Care::Raw),
            _ => return Ok(Care::Skip),
        }
        measuring.depth = measuring.depth.saturating_add(1);
        Ok(Care::Read)
    }

    fn close(&mut self, is_object: bool) {
        let measuring = &mut *self.measuring;
        let Some(depth) = measuring.depth.checked_sub(1) else { return };
        measuring.depth = depth;
        if !is_object {
            measuring.arrays = measuring.arrays.saturating_sub(1);
            return measuring.end_measured(JsonKind::Array, self.endpoint);
        }
        match measuring.objects.pop() {
            Some(object) => {
                measuring.arrays = object.arrays;
                *measuring.tally() += object.measure();
                measuring.end_measured(JsonKind::Object, self.endpoint);
            }
            None => measuring.fields.parameters = measuring.parameters,
        }
    }

    fn key(&mut self, name: &[u8]) {
        let measuring = &mut *self.measuring;
        if let Some(object) = measuring.objects.last_mut() {
            object.enter(name);
        } else if measuring.depth > 0 {
            measuring.parameter = Parameter::of(name);
        } else {
            let field = Field::of(name, self.endpoint);
            measuring.field = field.map(|field| (field, field.shape(self.endpoint)));
        }
    }

    fn text(&mut self, part: &[u8]) {
        if self.measuring.is_scalar {
            let free = KEPT_BYTES.saturating_sub(self.measuring.kept.len());
            self.measuring.kept.extend_from_slice(part.get(..free.min(part.len())).unwrap_or_default());
            self.measuring.hash(|hasher| hasher.attachment(part));
        } else {
            self.measuring.hash(|hasher| hasher.text(part));
            if self.counter.is_some() {
                self.measuring.text.push(part, self.counter);
            }
        }
    }

    fn end_text(&mut self, characters: usize) {
        let measuring = &mut *self.measuring;
        if measuring.is_scalar {
            if measuring.objects.last().is_some_and(ContentObject::is_role) {
                let Measuring { hasher, kept, .. } = measuring;
                return hasher.iter_mut().for_each(|hasher| hasher.role(kept));
            }
            let text = String::from_utf8_lossy(&measuring.kept).into_owned();
            return measuring.take_scalar(Scalar::Text(text));
        }
        measuring.hash(PromptHasher::end_attachment);
        let tokens = measuring.text.finish(characters, self.counter);
        measuring.tally().add_text(characters, tokens);
        measuring.end_measured(JsonKind::String, self.endpoint);
    }

    fn word(&mut self, word: Word<'_>) -> Result<(), &'static str> {
        let measuring = &mut *self.measuring;
        if !measuring.is_scalar {
            if let Word::Number(digits, true) = word {
                measuring.tally().add_token_id();
                if measuring.are_ids_hashed() {
                    let id = str::from_utf8(digits).unwrap_or_default().parse().unwrap_or_default();
                    measuring.hash(|hasher| hasher.token_id(id));
                }
            }
            measuring.end_measured(measuring.kind, self.endpoint);
            return Ok(());
        }
        measuring.take_scalar(match word {
            Word::Null => Scalar::Null,
            Word::Boolean(value) => Scalar::Boolean(value),
            Word::Number(digits, is_integer) => {
                let digits = str::from_utf8(digits).unwrap_or_default();
                // What does not fit is far above any limit.
                let integer = || digits.parse().unwrap_or(u64::MAX) as f64;
                let number = if is_integer { Some(integer()) } else { digits.parse().ok() };
                Scalar::Number(number.filter(|number| number.is_finite()).ok_or("number out of range")?)
            }
        });
        Ok(())
    }

    fn raw(&mut self, part: &[u8]) {
        if self.measuring.is_scalar {
            self.measuring.hash(|hasher| hasher.attachment(part));
        } else {
            self.measuring.text.push(part, self.counter);
            self.measuring.hash(|hasher| hasher.text(part));
        }
    }

    fn end_skipped(&mut self, written: usize) {
        let measuring = &mut *self.measuring;
        match measuring.shape() {
            Some(ValueShape::Json) => {
                let tokens = measuring.text.finish(written, self.counter);
                // `[]`, `{}` or `""`: no template writes it.
                let is_nothing =
                    measuring.kind == JsonKind::Null || (measuring.kind != JsonKind::Number && written == 2);
                if !is_nothing {
                    measuring.tally().add_text(written, tokens);
                }
                measuring.end_measured(if is_nothing { JsonKind::Null } else { JsonKind::Object }, self.endpoint);
            }
            Some(ValueShape::Scalar) => {
                let is_array = measuring.kind == JsonKind::Array;
                measuring.take_scalar(if is_array { Scalar::Array } else { Scalar::Object });
            }
            Some(ValueShape::Parameters) => measuring.fields.parameters = Parameters::default(),
            Some(ValueShape::Measured { .. }) | None => {}
        }
    }
}
