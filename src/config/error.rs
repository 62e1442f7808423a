//! Error of a configuration that was refused.

use std::error::Error;
use std::fmt;

use crate::json::JsonError;

/// Length of the part of a text by which its kind is recognized; protobuf's tags and lengths stand
/// at its start.
const HEAD_BYTES: usize = 64;

/// Reason why a configuration was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// There is no text.
    Empty,
    /// Protobuf, not text.
    Binary,
    /// JSON that is none, or not of a configuration.
    Json(JsonError),
}

// === impl ConfigError ===

impl ConfigError {
    /// Error for a text that cannot be read. Envoy hands a `google.protobuf.Struct` on as raw
    /// protobuf, which its documentation does not say, so that mistake is recognized.
    pub(super) fn of_text(text: &[u8], error: JsonError) -> Self {
        let kind = if text.trim_ascii().is_empty() {
            Kind::Empty
        } else if error.is_syntax() && is_binary(text) {
            Kind::Binary
        } else {
            Kind::Json(error)
        };
        Self { kind }
    }
}

/// Returns `true` if there are control characters at the start, other than white space; a text of
/// JSON has none outside strings.
fn is_binary(text: &[u8]) -> bool {
    text.iter().take(HEAD_BYTES).any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace())
}

impl From<JsonError> for ConfigError {
    fn from(error: JsonError) -> Self {
        Self { kind: Kind::Json(error) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = match &self.kind {
            Kind::Json(error) => return error.fmt(f),
            Kind::Empty => "it is empty",
            Kind::Binary => "it is binary, as a google.protobuf.Struct is",
        };
        write!(f, "configuration must be a google.protobuf.StringValue that holds JSON; {found}")
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Json(error) => error.source(),
            Kind::Empty | Kind::Binary => None,
        }
    }
}
