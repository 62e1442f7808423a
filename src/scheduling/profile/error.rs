//! Error of a profile that was refused.

use std::error::Error;
use std::fmt;

/// Reason why a profile was refused, in words for whoever wrote or measured it.
#[derive(Debug)]
pub enum ProfileError {
    /// Not JSON, or not of a profile's form.
    Json(serde_json::Error),
    /// A value that no profile can have.
    Invalid {
        /// Place of the value, such as `tputs[3][0]`.
        field: String,
        /// Value that stands there.
        found: String,
        /// Values that may stand there.
        expected: String,
    },
}

// === impl ProfileError ===

impl ProfileError {
    pub(super) fn invalid(field: impl fmt::Display, found: impl fmt::Display, expected: impl Into<String>) -> Self {
        Self::Invalid { field: field.to_string(), found: found.to_string(), expected: expected.into() }
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "not a profile in AIBrix's JSON format: {error}"),
            Self::Invalid { field, found, expected } => write!(f, "{field}: {found}, expected {expected}"),
        }
    }
}

impl Error for ProfileError {}
