//! Callouts: requests to one of Envoy's clusters, and the check of an answer before its body is
//! read.

use std::time::Duration;

pub use super::fetch_error::{FetchError, MAX_BODY_BYTES};

/// The largest answer that is searched for the reason of its status.
pub const MAX_REASON_BYTES: usize = 64 << 10;

const USER_AGENT: &str = concat!("slo-router/", env!("CARGO_PKG_VERSION"));

/// Server that a source asks, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Callout {
    /// Envoy's cluster that answers.
    pub cluster: String,
    /// The host asked for.
    pub authority: String,
    /// From the start of one fetch to the next.
    pub interval: Duration,
    /// Longest time that one answer may take.
    pub timeout: Duration,
}

/// One request of a fetch: a GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// Path and query.
    pub path: String,
    /// The media type asked for.
    pub accept: &'static str,
    /// Entity tag of the last document, where the server may answer that it is still the same.
    pub etag: Option<String>,
}

/// Status, content type and length of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head<'a> {
    /// `None` where there are no headers at all, which is how Envoy reports a reset.
    pub status: Option<u16>,
    /// The media type.
    pub content_type: Option<&'a str>,
    /// `true` where the server answered, and not Envoy in its place.
    pub is_servers: bool,
    /// Length of the body.
    pub body_bytes: usize,
}

/// Verdict on an answer by its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerVerdict {
    /// Read its body.
    Read,
    /// The document that was fetched last still holds.
    Unchanged,
}

// === impl FetchRequest ===

impl FetchRequest {
    /// A GET of JSON.
    pub fn json(path: impl Into<String>) -> Self {
        Self { path: path.into(), accept: "application/json", etag: None }
    }

    /// The headers of the callout, pseudo headers first.
    pub fn headers<'a>(&'a self, callout: &'a Callout) -> Vec<(&'static str, &'a str)> {
        let mut headers = vec![
            (":method", "GET"),
            (":path", self.path.as_str()),
            (":authority", callout.authority.as_str()),
            ("accept", self.accept),
            ("user-agent", USER_AGENT),
        ];
        headers.extend(self.etag.as_deref().map(|etag| ("if-none-match", etag)));
        headers
    }

    /// Judges by its headers if an answer to this request is worth copying into the VM. A callout
    /// that ran into its timeout has status 504.
    ///
    /// # Errors
    ///
    /// The reason why not, in words for whoever runs the server.
    pub fn judge(&self, head: Head<'_>) -> Result<AnswerVerdict, FetchError> {
        match head.status {
            None => return Err(FetchError::NoAnswer(None)),
            Some(503) if !head.is_servers => return Err(FetchError::NoAnswer(None)),
            Some(504) => return Err(FetchError::Timeout),
            Some(304) if self.etag.is_some() => return Ok(AnswerVerdict::Unchanged),
            Some(status) if status != 200 => return Err(FetchError::Status(status, None)),
            Some(_) => {}
        }
        if head.body_bytes == 0 {
            return Err(FetchError::Empty);
        }
        if head.body_bytes > MAX_BODY_BYTES {
            return Err(FetchError::TooLarge(head.body_bytes));
        }
        match head.content_type.filter(|content_type| is_html(content_type)) {
            Some(html) => Err(FetchError::NotJson(html.to_owned())),
            None => Ok(AnswerVerdict::Read),
        }
    }
}

/// File servers send JSON under many types, or none; a page for people is the one that says what
/// went wrong.
fn is_html(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"].iter().any(|html| essence.eq_ignore_ascii_case(html))
}

/// A source's configuration as it is written: the fields that all have, then its own. `every` names
/// the function that returns the interval where none is written. Flattening a common struct would
/// cost the errors their path.
macro_rules! callout_document {
    ($name:ident every $interval:literal { $($own:tt)* }) => {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name {
            #[serde(deserialize_with = "crate::json::text::one::<crate::json::text::HostLike, _>")]
            cluster: String,
            #[serde(default, deserialize_with = "crate::json::text::optional::<crate::json::text::HostLike, _>")]
            authority: Option<String>,
            #[serde(
                default = $interval,
                deserialize_with = "crate::json::duration::at_least_us::<_, 100_000>"
            )]
            interval: std::time::Duration,
            #[serde(
                default = "crate::sources::callout::default_timeout",
                deserialize_with = "crate::json::duration::at_least_us::<_, 1_000>"
            )]
            timeout: std::time::Duration,
            $($own)*
        }

        impl $name {
            fn callout(&self) -> $crate::sources::callout::Callout {
                $crate::sources::callout::Callout {
                    cluster: self.cluster.clone(),
                    authority: self.authority.clone().unwrap_or_else(|| self.cluster.clone()),
                    interval: self.interval,
                    timeout: self.timeout,
                }
            }
        }
    };
}
pub(super) use callout_document;

/// Between two fetches of profiles, which people change, or of a document that somebody else makes.
pub(super) const fn seldom() -> Duration {
    Duration::from_secs(10)
}

/// Between two fetches of pods from whoever knows them first: a pod that is told to end may be gone
/// some seconds later, and all pods of a rolling update may.
pub(super) const fn often() -> Duration {
    Duration::from_secs(2)
}

pub(super) const fn default_timeout() -> Duration {
    Duration::from_secs(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callout() -> Callout {
        let (cluster, authority) = ("c".to_owned(), "files.example:8080".to_owned());
        Callout { cluster, authority, interval: seldom(), timeout: default_timeout() }
    }

    fn head(status: Option<u16>, content_type: Option<&str>, body_bytes: usize) -> Head<'_> {
        Head { status, content_type, body_bytes, is_servers: true }
    }

    #[test]
    fn a_request_is_a_get_of_its_path() {
        let (mut request, callout) = (FetchRequest::json("/p.json?pool=a"), callout());
        let expected = vec![
            (":method", "GET"),
            (":path", "/p.json?pool=a"),
            (":authority", "files.example:8080"),
            ("accept", "application/json"),
            ("user-agent", concat!("slo-router/", env!("CARGO_PKG_VERSION"))),
        ];
        assert_eq!(request.headers(&callout), expected);
        request.etag = Some("\"v1\"".to_owned());
        assert_eq!(request.headers(&callout).last(), Some(&("if-none-match", "\"v1\"")));
    }

    #[test]
    fn a_document_is_read_whatever_json_is_called() {
        for content_type in [None, Some("application/json"), Some("text/plain"), Some("application/octet-stream")] {
            let head = head(Some(200), content_type, MAX_BODY_BYTES);
            assert_eq!(FetchRequest::json("/").judge(head), Ok(AnswerVerdict::Read));
        }
    }

    #[test]
    fn each_bad_answer_is_told_apart() {
        let json = Some("application/json");
        let html = Some("Text/HTML; charset=utf-8");
        for (status, content_type, body_bytes, expected) in [
            (None, None, 0, "no answer: the connection failed or was reset"),
            (Some(504), None, 24, "no answer in time (status 504)"),
            (Some(500), json, 10, "the answer has status 500, expected 200"),
            (Some(204), None, 0, "the answer has status 204, expected 200"),
            (Some(304), None, 0, "the answer has status 304, expected 200"),
            (Some(200), json, 0, "the answer is empty, expected a JSON document"),
            (Some(200), json, MAX_BODY_BYTES + 1, "the answer has 8388609 bytes, expected at most 8388608"),
            (Some(200), html, 10, "the answer is \"Text/HTML; charset=utf-8\", expected JSON"),
        ] {
            let error = FetchRequest::json("/").judge(head(status, content_type, body_bytes)).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn what_envoy_says_itself_is_no_answer_of_the_server() {
        let own = Head { is_servers: false, ..head(Some(503), Some("text/plain"), 19) };
        let error = FetchRequest::json("/").judge(own).unwrap_err();
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            ("no-answer", "no answer: the connection failed or was reset")
        );
        let told = error.with_reason_of(b"no healthy upstream");
        assert_eq!(
            (told.code(), told.to_string().as_str()),
            ("no-answer", "no answer, and Envoy says why: no healthy upstream")
        );
        let servers = FetchRequest::json("/").judge(head(Some(503), None, 1)).unwrap_err();
        assert_eq!(servers.to_string(), "the answer has status 503, expected 200");
    }

    #[test]
    fn not_modified_is_an_answer_to_those_who_said_what_they_have() {
        let request = FetchRequest { etag: Some("\"1\"".to_owned()), ..FetchRequest::json("/") };
        assert_eq!(request.judge(head(Some(304), None, 0)), Ok(AnswerVerdict::Unchanged));
    }
}
