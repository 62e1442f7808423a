//! Reasons why a fetch gave nothing.

use std::error::Error;
use std::fmt;

use serde::Deserialize;

use crate::json::JsonError;

/// The largest answer that is read. Envoy buffers up to 32 MB of one, and reading copies it into
/// the VM.
pub const MAX_BODY_BYTES: usize = 8 << 20;

/// Longest part of a server's reason that is reported.
const REASON_CHARS: usize = 300;

/// Reason why a fetch gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// The callout could not be sent, for this reason.
    Unsent(String),
    /// The connection failed or was reset before the answer's headers. Envoy may say why.
    NoAnswer(Option<String>),
    /// No answer in time; a gateway behind the cluster may say the same of a server of its own.
    Timeout,
    /// Another status than 200, and why, where the server says so.
    Status(u16, Option<String>),
    /// Nothing in it.
    Empty,
    /// So many bytes, more than [`MAX_BODY_BYTES`].
    TooLarge(usize),
    /// A page for people, of this content type: the path leads elsewhere, or a login stands before
    /// it.
    NotJson(String),
    /// It is not what was asked for; or it is, and cannot be taken.
    Invalid(String),
}

// === impl FetchError ===

impl FetchError {
    /// The error with the reason that the answer's body gives, as Kubernetes and many other servers
    /// do: `message`; or that Envoy gives for there being no answer.
    #[must_use]
    pub fn with_reason_of(self, body: &[u8]) -> Self {
        if let (Self::NoAnswer(None), Ok(reason)) = (&self, str::from_utf8(body)) {
            return Self::NoAnswer(Some(shown(reason)).filter(|reason| !reason.is_empty()));
        }
        #[derive(Deserialize)]
        struct Reason {
            message: String,
        }
        match (self, serde_json::from_slice(body)) {
            (Self::Status(status, None), Ok(Reason { message })) => Self::Status(status, Some(shown(&message))),
            (other, _) => other,
        }
    }

    /// The kind of error, in a word for metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsent(_) => "unsent",
            Self::NoAnswer(_) => "no-answer",
            Self::Timeout => "timeout",
            Self::Status(401 | 403, _) => "forbidden",
            Self::Status(404, _) => "not-found",
            Self::Status(410, _) => "gone",
            Self::Status(..) => "status",
            Self::Empty => "empty",
            Self::TooLarge(_) => "too-large",
            Self::NotJson(_) | Self::Invalid(_) => "invalid",
        }
    }
}

/// Of a reason as much as goes into a line.
fn shown(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_control()).take(REASON_CHARS).collect()
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsent(reason) | Self::Invalid(reason) => f.write_str(reason),
            Self::NoAnswer(None) => f.write_str("no answer: the connection failed or was reset"),
            Self::NoAnswer(Some(reason)) => write!(f, "no answer, and Envoy says why: {reason}"),
            Self::Timeout => f.write_str("no answer in time (status 504)"),
            Self::Status(status, None) => write!(f, "the answer has status {status}, expected 200"),
            Self::Status(status, Some(reason)) => write!(f, "the answer has status {status}, expected 200: {reason}"),
            Self::Empty => f.write_str("the answer is empty, expected a JSON document"),
            Self::TooLarge(bytes) => write!(f, "the answer has {bytes} bytes, expected at most {MAX_BODY_BYTES}"),
            Self::NotJson(content_type) => write!(f, "the answer is {content_type:?}, expected JSON"),
        }
    }
}

impl Error for FetchError {}

impl From<JsonError> for FetchError {
    fn from(error: JsonError) -> Self {
        Self::Invalid(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_reason_is_told_and_cut() {
        let forbidden = || FetchError::Status(403, None);
        let body = br#"{"kind": "Status", "message": "pods is forbidden:\nno RBAC", "code": 403}"#;
        let told = forbidden().with_reason_of(body).to_string();
        assert_eq!(told, "the answer has status 403, expected 200: pods is forbidden:no RBAC");
        let long = format!("{{\"message\": \"{}\"}}", "ü".repeat(1_000));
        assert_eq!(
            forbidden().with_reason_of(long.as_bytes()),
            FetchError::Status(403, Some("ü".repeat(REASON_CHARS)))
        );
        for body in [&b"no JSON"[..], b"{}", br#"{"message": 1}"#, &[0xff]] {
            assert_eq!(forbidden().with_reason_of(body), forbidden());
        }
        assert_eq!(FetchError::Timeout.with_reason_of(br#"{"message": "x"}"#), FetchError::Timeout);
    }
}
