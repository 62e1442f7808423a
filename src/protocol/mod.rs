//! Messages of clients and model servers, read once into types that cannot hold nonsense. Pure: no
//! host calls.
//!
//! - Requests: [`Endpoint`] from the path, [`Ask`] from the body, an SLO from the headers
//!   ([`slo_from_headers`]).
//! - Responses: [`ResponseObserver`] over [`SseReader`] and [`DocumentReader`].
//! - What the filter itself answers: [`Refusal`].

mod ask;
mod document;
mod endpoint;
pub mod headers;
mod json;
mod lexer;
mod named;
mod observer;
mod refusal;
mod refusal_cases;
mod response_id;
mod scan;
mod slo_headers;
mod sse;
mod tokens;
mod told;
mod usage;
mod words;

pub use ask::{Ask, AskReader, BodyError, CHOICES_MAX, PromptSize};
pub use document::DocumentReader;
pub use endpoint::{Endpoint, EndpointPaths};
pub use json::JsonKind;
pub use named::{NameReader, Named, NamingBody};
pub use observer::{Observed, OutputSoFar, ResponseEnd, ResponseFacts, ResponseObserver};
pub use refusal::{Refusal, Reply};
pub use refusal_cases::{REFUSAL_CASES, RefusalCase};
pub use response_id::ResponseId;
pub use slo_headers::{SloHeaderError, slo_from_headers, slo_header_names, unknown_slo_headers};
pub use sse::SseReader;
#[cfg(feature = "exact")]
pub use tokens::Cl100k;
pub use tokens::TokenCounter;
pub use told::Fault;
pub use usage::Usage;
