//! A document that any HTTP server serves.

use serde::Deserialize;

use super::callout::{Callout, FetchError, FetchRequest, callout_document};
use super::fetch::{Fetch, FetchProgress, Fetched};
use crate::json::text;

/// Server and path that a document is fetched from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "HttpDocument")]
pub struct HttpSource {
    /// Server of the document.
    pub callout: Callout,
    /// Path and query.
    pub path: String,
}

callout_document!(HttpDocument every "crate::sources::callout::seldom" {
    #[serde(deserialize_with = "text::one::<text::PathAndQuery, _>")]
    path: String,
});

/// Asks once; what comes is the document.
struct HttpFetch {
    request: FetchRequest,
}

// === impl HttpSource ===

impl HttpSource {
    /// `etag`: of the document that is in force, if it had one.
    pub(super) fn fetch(&self, etag: Option<String>) -> impl Fetch + use<> {
        HttpFetch { request: FetchRequest { etag, ..FetchRequest::json(self.path.clone()) } }
    }
}

impl From<HttpDocument> for HttpSource {
    fn from(document: HttpDocument) -> Self {
        Self { callout: document.callout(), path: document.path }
    }
}

// === impl HttpFetch ===

impl Fetch for HttpFetch {
    fn request(&self) -> FetchRequest {
        self.request.clone()
    }

    fn read(&mut self, body: &[u8]) -> Result<FetchProgress, FetchError> {
        Ok(FetchProgress::Done(Fetched { document: body.to_vec(), complaints: Vec::new() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_source_asks_its_cluster_for_its_path() {
        let source: HttpSource = json::read(br#"{"cluster": "profiles", "path": "/p.json?pool=a"}"#).unwrap();
        let Callout { cluster, authority, interval, timeout } = &source.callout;
        assert_eq!((cluster.as_str(), authority.as_str()), ("profiles", "profiles"));
        assert_eq!((interval.as_secs(), timeout.as_secs()), (10, 2));
        let mut fetch = source.fetch(Some("\"7\"".to_owned()));
        assert_eq!(fetch.request().path, "/p.json?pool=a");
        assert_eq!(fetch.request().etag.as_deref(), Some("\"7\""));
        let expected = Fetched { document: b"{}".to_vec(), complaints: vec![] };
        assert_eq!(fetch.read(b"{}"), Ok(FetchProgress::Done(expected)));
    }
}
