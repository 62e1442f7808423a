//! Why a request's body cannot be scheduled.

use std::fmt;

use crate::protocol::json::Kind;

/// A body that cannot be read. Its `Display` is meant for the client, and quotes nothing of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Not UTF-8, so not JSON either.
    NotUtf8 {
        /// Offset of the first byte that is not.
        at_byte: usize,
    },
    /// Not JSON, or deeper than 128 levels where it matters.
    NotJson {
        /// What is wrong, with line and column.
        reason: String,
    },
    /// JSON, but not an object.
    NotAnObject {
        /// What it is instead.
        found: Kind,
    },
    /// A field that matters has a type that it cannot have.
    WrongType {
        /// The field.
        field: &'static str,
        /// What it holds.
        found: Kind,
        /// What it may hold.
        expected: &'static str,
    },
}

// === impl BodyError ===

impl BodyError {
    /// The field that is wrong, if it is a single one.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::WrongType { field, .. } => Some(field),
            Self::NotUtf8 { .. } | Self::NotJson { .. } | Self::NotAnObject { .. } => None,
        }
    }

    /// From the parser's error. Only the document's own type can be one of "data": no field is typed while parsing.
    pub(super) fn of_json(error: &serde_json::Error, body: &str) -> Self {
        if error.is_data() {
            let found = match body.trim_ascii_start().bytes().next() {
                Some(b'[') => Kind::Array,
                Some(b'"') => Kind::String,
                Some(b'n') => Kind::Null,
                Some(b't' | b'f') => Kind::Boolean,
                Some(b'{') => Kind::Object,
                Some(_) | None => Kind::Number,
            };
            return Self::NotAnObject { found };
        }
        Self::NotJson { reason: error.to_string() }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 { at_byte } => write!(f, "the request body is not UTF-8: invalid byte at offset {at_byte}"),
            Self::NotJson { reason } => write!(f, "the request body is not valid JSON: {reason}"),
            Self::NotAnObject { found } => write!(f, "the request body is {found}, expected a JSON object"),
            Self::WrongType { field, found, expected } => write!(f, "`{field}` is {found}, expected {expected}"),
        }
    }
}

impl std::error::Error for BodyError {}
