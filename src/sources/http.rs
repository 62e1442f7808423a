//! A document that any HTTP server serves.

use std::fmt;
use std::hash::Hash;

use fnv::FnvHasher;
use serde::Deserialize;

use super::callout::{Callout, FetchError, FetchRequest, callout_document};
use super::document::{Document, Fetched};
use super::fetch::{Fetch, FetchProgress};
use super::source::Source;
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

impl<D: Document> Source<D> for HttpSource {
    fn callout(&self) -> &Callout {
        &self.callout
    }

    fn identify(&self, hasher: &mut FnvHasher) {
        (0_isize, &self.path).hash(hasher);
    }

    fn fetch(&self, etag: Option<String>) -> Box<dyn Fetch<D>> {
        Box::new(HttpFetch { request: FetchRequest { etag, ..FetchRequest::json(self.path.clone()) } })
    }
}

impl fmt::Display for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Callout { cluster, interval, .. } = &self.callout;
        write!(f, "{cluster}{} every {interval:?}", self.path)
    }
}

impl From<HttpDocument> for HttpSource {
    fn from(document: HttpDocument) -> Self {
        Self { callout: document.callout(), path: document.path }
    }
}

// === impl HttpFetch ===

impl<D: Document> Fetch<D> for HttpFetch {
    fn request(&self) -> FetchRequest {
        self.request.clone()
    }

    fn read(&mut self, body: &[u8]) -> Result<FetchProgress<D>, FetchError> {
        Ok(FetchProgress::Done(Fetched::read(body)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::sources::pods::PodDocument;

    #[test]
    fn a_source_asks_its_cluster_for_its_path() {
        let source: HttpSource = json::read(br#"{"cluster": "profiles", "path": "/p.json?pool=a"}"#).unwrap();
        let Callout { cluster, authority, interval, timeout } = &source.callout;
        assert_eq!((cluster.as_str(), authority.as_str()), ("profiles", "profiles"));
        assert_eq!((interval.as_secs(), timeout.as_secs()), (10, 2));
        let mut fetch: Box<dyn Fetch<PodDocument>> = source.fetch(Some("\"7\"".to_owned()));
        assert_eq!(fetch.request().path, "/p.json?pool=a");
        assert_eq!(fetch.request().etag.as_deref(), Some("\"7\""));
        let answer = br#"{ "pods": [] }"#;
        let expected = Fetched { bytes: answer.to_vec(), document: PodDocument::default(), complaints: vec![] };
        assert_eq!(fetch.read(answer), Ok(FetchProgress::Done(expected)));
        assert_eq!(fetch.read(b"{}").unwrap_err().to_string(), "missing field `pods`");
    }
}
