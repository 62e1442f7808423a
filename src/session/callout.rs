//! Callouts: sends them, and reads their answers.

use super::headers::Headers;
use super::host::{Buffer, Host, Map, Refused};
use crate::sources::callout::{AnswerVerdict, Callout, FetchError, FetchRequest, Head, MAX_REASON_BYTES};

/// The header that Envoy adds to what a server answers, and not to what it answers itself.
const UPSTREAM_TIME: &str = "x-envoy-upstream-service-time";

/// Result of an answer.
pub(super) enum Answer {
    /// A document, and its entity tag.
    Body(Vec<u8>, Option<String>),
    /// The document in force.
    Unchanged,
}

/// Sends a callout; its number leads the answer back.
pub(super) fn send_callout(
    host: &impl Host,
    callout: &Callout,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<u32, FetchError> {
    host.call(&callout.cluster, headers, body, callout.timeout).map_err(|Refused(status)| {
        let cluster = &callout.cluster;
        FetchError::Unsent(format!("the callout to cluster `{cluster}` could not be sent (status {status})"))
    })
}

/// The body of an answer, if it is worth copying into the VM.
pub(super) fn read_answer(
    host: &impl Host,
    request: &FetchRequest,
    has_headers: bool,
    body_bytes: usize,
) -> Result<Answer, FetchError> {
    let headers = if has_headers { host.headers(Map::CalloutAnswer) } else { Headers::default() };
    let content_type = headers.get("content-type");
    let status = headers.get(":status").and_then(|status| status.parse().ok());
    let is_servers = headers.get(UPSTREAM_TIME).is_some();
    let head = Head { status, content_type: content_type.as_deref(), is_servers, body_bytes };
    let body = || host.buffer(Buffer::CalloutAnswer, 0, body_bytes).unwrap_or_default();
    match request.judge(head) {
        Ok(AnswerVerdict::Read) => Ok(Answer::Body(body(), headers.get("etag").map(|etag| etag.to_string()))),
        Ok(AnswerVerdict::Unchanged) => Ok(Answer::Unchanged),
        Err(error) if body_bytes <= MAX_REASON_BYTES => Err(error.with_reason_of(&body())),
        Err(error) => Err(error),
    }
}
