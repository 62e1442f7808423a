//! Errors of a trace, and their place.

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}{}: {problem}", column.as_ref().map(|column| format!(", column {column:?}")).unwrap_or_default())]
pub struct TraceError {
    /// The file's name.
    pub file: String,
    /// From 1; the header is line 1.
    pub line: u64,
    /// The column's name; none where the whole line is meant.
    pub column: Option<String>,
    /// Problem there.
    pub problem: Problem,
}

/// Problem with a trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No bytes come.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// No row.
    #[error("the trace is empty")]
    Empty,
    /// The header names no column of any format.
    #[error("unknown header; expected {}", super::Format::described())]
    UnknownHeader,
    /// A column of the format is not there.
    #[error("the column is missing; the format needs {0}")]
    MissingColumn(String),
    /// Not as many fields as the header has, or no text.
    #[error("malformed row: {0}")]
    Malformed(String),
    /// Not what is expected.
    #[error("{value:?} is not {expected}")]
    NotValid {
        /// Text that stands there.
        value: String,
        /// Kind of text that is expected.
        expected: &'static str,
    },
    /// It has no times, and is not the only trace.
    #[error("conversations without times cannot be overlaid with another trace")]
    Untimed,
    /// A count of tokens below 0.
    #[error("{0} is negative")]
    Negative(i64),
    /// Earlier than the row before.
    #[error("{0:?} is earlier than the row before; rows must be in order of time")]
    Unsorted(String),
}

// === impl TraceError ===

impl TraceError {
    /// Of the file as a whole.
    pub fn file(file: &str, problem: Problem) -> Self {
        Self { file: file.to_owned(), line: 1, column: None, problem }
    }
}
