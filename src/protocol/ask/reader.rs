//! Reads a request's body while it comes.

use super::content::{ContentObject, Measured, Tally};
use super::document::{Field, Fields};
use super::parameters::{Parameter, Parameters};
use super::shape::ValueShape;
use super::text::TokenSum;
use super::{Ask, BodyError};
use crate::protocol::endpoint::Endpoint;
use crate::protocol::json::{JsonKind, Scalar};
use crate::protocol::lexer::{Care, Lexer, Sink, Word};
use crate::protocol::tokens::TokenCounter;

/// In UTF-8; some clients write it before what they send.
const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];
/// The deepest that containers are measured, as in serde_json; none that is not looked into counts.
const DEPTH_MAX: usize = 128;
/// The most that is kept of a text. No name is longer.
const KEPT_BYTES: usize = 1024;

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

/// The part read so far.
#[derive(Debug, Default)]
struct Measuring {
    fields: Fields,
    has_begun: bool,
    not_an_object: Option<JsonKind>,
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
    text: TokenSum,
    kept: Vec<u8>,
}

/// [`Measuring`] while it takes a piece.
struct Taking<'a> {
    measuring: &'a mut Measuring,
    endpoint: Endpoint,
    counter: Option<&'a dyn TokenCounter>,
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
        self.measuring.fields.judge(self.endpoint)
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

// === impl Measuring ===

impl Measuring {
    /// The way the value that comes is read, by where it stands; `None` where it does not matter.
    fn shape(&self) -> Option<ValueShape> {
        let (_, shape) = self.field?;
        match (shape, self.objects.last()) {
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
        match self.arrays {
            0 => {
                self.value.kind = kind;
                self.value.items |= u32::from(matches!(kind, JsonKind::String | JsonKind::Object));
                let value = std::mem::take(&mut self.value);
                if let Some((field, _)) = self.field {
                    self.fields.set_measured(field, endpoint, value);
                }
            }
            1 if kind != JsonKind::Number => self.value.items = self.value.items.saturating_add(1),
            _ => {}
        }
    }

    fn take_scalar(&mut self, value: Scalar) {
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
        if shape == ValueShape::Json {
            return Ok(Care::Raw);
        }
        if !matches!(kind, JsonKind::Array | JsonKind::Object) {
            measuring.kept.clear();
            return Ok(match shape {
                ValueShape::Parameters => Care::Skip,
                ValueShape::Scalar => Care::Keep,
                _ if self.counter.is_some() && kind == JsonKind::String => Care::Keep,
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
        } else {
            self.measuring.text.push(part, self.counter);
        }
    }

    fn end_text(&mut self, characters: usize) {
        let measuring = &mut *self.measuring;
        if measuring.is_scalar {
            let text = String::from_utf8_lossy(&measuring.kept).into_owned();
            return measuring.take_scalar(Scalar::Text(text));
        }
        let tokens = measuring.text.finish(characters, self.counter);
        measuring.tally().add_text(characters, tokens);
        measuring.end_measured(JsonKind::String, self.endpoint);
    }

    fn word(&mut self, word: Word<'_>) -> Result<(), &'static str> {
        let measuring = &mut *self.measuring;
        if !measuring.is_scalar {
            if let Word::Number(_, true) = word {
                measuring.tally().add_token_id();
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
        self.measuring.text.push(part, self.counter);
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
