//! Errors of a body that cannot be scheduled.

use std::fmt;

use crate::protocol::json::JsonKind;

/// A body that cannot be read. Its `Display` is meant for the client, and quotes nothing of the
/// body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Not UTF-8, so not JSON either.
    NotUtf8 {
        /// Offset of the first byte that is not.
        at_byte: usize,
    },
    /// Not JSON, or deeper than 128 levels where it matters.
    NotJson {
        /// Fault of the text, with line and column.
        reason: String,
    },
    /// JSON, but not an object.
    NotAnObject {
        /// Kind of the value that stands there.
        found: JsonKind,
    },
    /// A field that matters has a type that it cannot have.
    WrongType {
        /// The field.
        field: &'static str,
        /// Kind of its value.
        found: JsonKind,
        /// Kinds that it may hold, in words.
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
