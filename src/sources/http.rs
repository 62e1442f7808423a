//! The HTTP callout that fetches a document.

use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use fnv::FnvHasher;
use serde::Deserialize;

use crate::json::{duration, text};

/// The largest document that is read. Envoy buffers up to 32 MB of an answer, and reading copies it into the VM.
pub const MAX_BODY_BYTES: usize = 8 << 20;

const USER_AGENT: &str = concat!("slo-router/", env!("CARGO_PKG_VERSION"));

/// Where a document is fetched from, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "HttpDocument")]
pub struct HttpSource {
    /// Envoy's cluster that serves it.
    pub cluster: String,
    /// Path and query.
    pub path: String,
    /// The host asked for.
    pub authority: String,
    /// From one callout to the next.
    pub interval: Duration,
    /// How long a callout may take.
    pub timeout: Duration,
}

/// Why an answer is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// The connection failed or was reset before the answer's headers.
    NoAnswer,
    /// No answer in time; a gateway behind the cluster may say the same of a server of its own.
    Timeout,
    /// Another status than 200.
    Status(u16),
    /// Nothing in it.
    Empty,
    /// So many bytes, more than [`MAX_BODY_BYTES`].
    TooLarge(usize),
    /// A page for people, of this content type: the path leads elsewhere, or a login stands before it.
    NotJson(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpDocument {
    #[serde(deserialize_with = "text::one::<text::HostLike, _>")]
    cluster: String,
    #[serde(deserialize_with = "text::one::<text::PathAndQuery, _>")]
    path: String,
    #[serde(default, deserialize_with = "text::optional::<text::HostLike, _>")]
    authority: Option<String>,
    #[serde(default = "default_interval", deserialize_with = "duration::at_least_us::<_, 100_000>")]
    interval: Duration,
    #[serde(default = "default_timeout", deserialize_with = "duration::at_least_us::<_, 1_000>")]
    timeout: Duration,
}

const fn default_interval() -> Duration {
    Duration::from_secs(10)
}

const fn default_timeout() -> Duration {
    Duration::from_secs(2)
}

// === impl HttpSource ===

impl HttpSource {
    /// Tells where the document comes from, whatever the configuration says beside it.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = FnvHasher::default();
        (&self.cluster, &self.authority, &self.path).hash(&mut hasher);
        hasher.finish()
    }

    /// The headers of the callout, pseudo headers first.
    pub fn headers(&self) -> [(&'static str, &str); 5] {
        [
            (":method", "GET"),
            (":path", &self.path),
            (":authority", &self.authority),
            ("accept", "application/json"),
            ("user-agent", USER_AGENT),
        ]
    }
}

impl From<HttpDocument> for HttpSource {
    fn from(document: HttpDocument) -> Self {
        let HttpDocument { cluster, path, authority, interval, timeout } = document;
        Self { authority: authority.unwrap_or_else(|| cluster.clone()), cluster, path, interval, timeout }
    }
}

/// Whether an answer is worth copying into the VM. `status` is `None` where there are no headers at all, which is how
/// Envoy reports a reset; a callout that ran into its timeout has status 504.
///
/// # Errors
///
/// Why not, in words for whoever runs the server.
pub fn check_answer(status: Option<u16>, content_type: Option<&str>, body_bytes: usize) -> Result<(), FetchError> {
    match status {
        None => return Err(FetchError::NoAnswer),
        Some(504) => return Err(FetchError::Timeout),
        Some(status) if status != 200 => return Err(FetchError::Status(status)),
        Some(_) => {}
    }
    if body_bytes == 0 {
        return Err(FetchError::Empty);
    }
    if body_bytes > MAX_BODY_BYTES {
        return Err(FetchError::TooLarge(body_bytes));
    }
    match content_type.filter(|content_type| is_html(content_type)) {
        Some(html) => Err(FetchError::NotJson(html.to_owned())),
        None => Ok(()),
    }
}

/// File servers send JSON under many types, or none; a page for people is the one that says what went wrong.
fn is_html(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"].iter().any(|html| essence.eq_ignore_ascii_case(html))
}

// === impl FetchError ===

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer => f.write_str("no answer: the connection failed or was reset"),
            Self::Timeout => f.write_str("no answer in time (status 504)"),
            Self::Status(status) => write!(f, "the answer has status {status}, expected 200"),
            Self::Empty => f.write_str("the answer is empty, expected a JSON document"),
            Self::TooLarge(bytes) => write!(f, "the answer has {bytes} bytes, expected at most {MAX_BODY_BYTES}"),
            Self::NotJson(content_type) => write!(f, "the answer is {content_type:?}, expected JSON"),
        }
    }
}

impl Error for FetchError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_source_asks_its_cluster_for_its_path() {
        let source: HttpSource = json::read(br#"{"cluster": "profiles", "path": "/p.json?pool=a"}"#).unwrap();
        assert_eq!((source.interval.as_secs(), source.timeout.as_secs()), (10, 2));
        assert_eq!(
            source.headers(),
            [
                (":method", "GET"),
                (":path", "/p.json?pool=a"),
                (":authority", "profiles"),
                ("accept", "application/json"),
                ("user-agent", concat!("slo-router/", env!("CARGO_PKG_VERSION"))),
            ]
        );
    }

    #[test]
    fn a_source_is_the_same_however_often_it_is_asked() {
        let source = |text: &str| json::read::<HttpSource>(text.as_bytes()).unwrap().fingerprint();
        let one = source(r#"{"cluster": "c", "path": "/p"}"#);
        assert_eq!(one, source(r#"{"cluster": "c", "path": "/p", "interval": "1s", "timeout": "1s"}"#));
        assert_ne!(one, source(r#"{"cluster": "c", "path": "/q"}"#));
        assert_ne!(one, source(r#"{"cluster": "d", "path": "/p"}"#));
        assert_ne!(one, source(r#"{"cluster": "c", "path": "/p", "authority": "d"}"#));
    }

    #[test]
    fn an_authority_of_its_own_is_asked_for() {
        let source: HttpSource =
            json::read(br#"{"cluster": "c", "path": "/", "authority": "files.example:8080"}"#).unwrap();
        assert_eq!(source.headers()[2], (":authority", "files.example:8080"));
    }

    #[test]
    fn a_document_is_read_whatever_json_is_called() {
        for content_type in [None, Some("application/json"), Some("text/plain"), Some("application/octet-stream")] {
            assert_eq!(check_answer(Some(200), content_type, MAX_BODY_BYTES), Ok(()));
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
            (Some(200), json, 0, "the answer is empty, expected a JSON document"),
            (Some(200), json, MAX_BODY_BYTES + 1, "the answer has 8388609 bytes, expected at most 8388608"),
            (Some(200), html, 10, "the answer is \"Text/HTML; charset=utf-8\", expected JSON"),
        ] {
            assert_eq!(check_answer(status, content_type, body_bytes).unwrap_err().to_string(), expected);
        }
    }
}
