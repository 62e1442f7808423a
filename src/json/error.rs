//! Error of a text that was refused.

use std::error::Error;
use std::fmt;

/// Reason why a text was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Such as `classes[0].slo.ttft`; empty for the text as a whole.
    path: String,
    message: String,
    /// Line and column, from 1, of what is no JSON. All else has its path, and a reader that
    /// noticed it only behind it.
    position: Option<(usize, usize)>,
}

// === impl JsonError ===

impl JsonError {
    /// Error that serde reports for the value at `path`.
    pub(super) fn read(path: String, error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let message = error.to_string();
        let position = format!(" at line {line} column {column}");
        Self {
            path: if path == "." { String::new() } else { path },
            message: message.strip_suffix(&position).unwrap_or(&message).to_owned(),
            position: (error.is_syntax() || error.is_eof()).then_some((line, column)),
        }
    }

    /// A value that is well-formed but cannot be.
    pub fn invalid(path: impl fmt::Display, found: impl fmt::Display, expected: impl fmt::Display) -> Self {
        Self::refused(path, format_args!("invalid value: {found}, expected {expected}"))
    }

    /// A value that its own type refused, for this reason.
    pub fn refused(path: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self { path: path.to_string(), message: reason.to_string(), position: None }
    }

    /// Returns `true` if the text is no JSON at all.
    pub fn is_syntax(&self) -> bool {
        self.position.is_some()
    }

    /// The error as seen from a document that holds the text at `path`. The position, which counts
    /// from the start of the text, is left out.
    #[must_use]
    pub fn under(self, path: impl fmt::Display) -> Self {
        let path = if self.path.is_empty() { path.to_string() } else { format!("{path}.{}", self.path) };
        Self { path, position: None, ..self }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match self.position {
            Some((line, column)) => write!(f, " (line {line}, column {column})"),
            None => Ok(()),
        }
    }
}

impl Error for JsonError {}
