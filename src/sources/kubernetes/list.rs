//! Lists of the API, page by page.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::json::{self, JsonError};
use crate::sources::callout::FetchError;

/// Objects of one page. With pods of 20 KB, as they are with many managed fields, a page has 4 MB.
const PAGE: usize = 200;

/// Asks for no more of objects than their metadata.
pub(super) const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// Characters that a query's value must not hold as they are.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Kind of the list that was asked for.
#[derive(Clone, Copy)]
pub(super) enum ListKind {
    EndpointSlices,
    Pods,
    Metadata,
}

/// One page.
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    /// Token of the next page, if there is one.
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned", rename_all = "camelCase")]
struct Page<T> {
    #[serde(default)]
    metadata: ListMeta,
    items: Option<Vec<T>>,
}

#[derive(Default, Deserialize)]
struct ListMeta {
    #[serde(default, rename = "continue")]
    next: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypeMeta {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    api_version: String,
}

// === impl ListKind ===

impl ListKind {
    const fn kind(self) -> &'static str {
        match self {
            Self::EndpointSlices => "EndpointSliceList",
            Self::Pods => "PodList",
            Self::Metadata => "PartialObjectMetadataList",
        }
    }

    const fn api_version(self) -> &'static str {
        match self {
            Self::EndpointSlices => "discovery.k8s.io/v1",
            Self::Pods => "v1",
            Self::Metadata => "meta.k8s.io/v1",
        }
    }
}

// === impl List ===

impl<T: DeserializeOwned> List<T> {
    pub(super) fn read(body: &[u8], kind: ListKind) -> Result<Self, FetchError> {
        expect(body, kind.kind(), kind.api_version())?;
        let Page { metadata, items } = json::read(body)?;
        // An empty list of Go is `null`.
        Ok(Self { items: items.unwrap_or_default(), next: Some(metadata.next).filter(|next| !next.is_empty()) })
    }
}

/// Checks that an answer is of this kind and version.
pub(in crate::sources) fn expect(body: &[u8], kind: &str, api_version: &str) -> Result<(), FetchError> {
    let found: TypeMeta = json::read(body)?;
    if (found.kind.as_str(), found.api_version.as_str()) == (kind, api_version) {
        return Ok(());
    }
    let found = format_args!("kind {:?} of {:?}", found.kind, found.api_version);
    Err(JsonError::invalid("", found, format_args!("kind {kind:?} of {api_version:?}")).into())
}

/// The path of a page.
pub(super) fn path(path: &str, selector: &str, at: Option<&str>) -> String {
    let mut path = format!("{path}?labelSelector={}&limit={PAGE}", encoded(selector));
    if let Some(at) = at {
        path.extend(["&continue=", &encoded(at)]);
    }
    path
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}
