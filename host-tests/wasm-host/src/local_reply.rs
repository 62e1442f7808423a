//! Responses that the filter or the proxy makes itself.

use crate::Headers;
use crate::abi::flags;

/// A response that the filter or the proxy made itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// The status code.
    pub status: u16,
    /// Headers beside status, length and type.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    pub(crate) flags: u64,
}

// === impl LocalReply ===

impl LocalReply {
    pub(crate) const UPSTREAM_RESET: &str =
        "upstream connect error or disconnect/reset before headers. reset reason: connection termination";

    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Headers::default(), body: body.into(), flags: 0 }
    }

    fn flagged(status: u16, body: &str, flags: u64) -> Self {
        Self { flags, ..Self::new(status, body) }
    }

    pub(crate) fn no_healthy_upstream() -> Self {
        Self::flagged(503, "no healthy upstream", flags::NO_HEALTHY_UPSTREAM)
    }

    pub(crate) fn upstream_reset() -> Self {
        Self::flagged(503, Self::UPSTREAM_RESET, flags::UPSTREAM_CONNECTION_TERMINATION)
    }

    pub(crate) fn idle_timeout() -> Self {
        Self::flagged(504, "stream timeout", flags::STREAM_IDLE_TIMEOUT)
    }

    pub(crate) fn payload_too_large() -> Self {
        Self::new(413, "Payload Too Large")
    }

    /// The headers as Envoy completes them.
    pub(crate) fn all_headers(&self) -> Headers {
        let mut headers = self.headers.clone().with_status(self.status);
        if !self.body.is_empty() {
            headers.set("content-length", &self.body.len().to_string());
            if headers.get("content-type").is_none() {
                headers.set("content-type", "text/plain");
            }
        }
        headers
    }
}
