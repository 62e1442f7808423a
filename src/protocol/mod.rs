//! What clients and model servers say on the wire, read once into types that cannot hold nonsense. Pure: no host calls.
//!
//! - Requests: [`Endpoint`] from the path, [`Ask`] from the body, an SLO from the headers ([`slo_from_headers`]).
//! - Responses: [`ResponseObserver`] over [`SseReader`] and [`TailReader`].
//! - What the filter itself answers: [`Refusal`].

mod ask;
mod endpoint;
mod json;
mod observer;
mod refusal;
mod slo_headers;
mod sse;
mod tail;
mod tokens;
mod usage;

pub use ask::{Ask, BodyError, CHOICES_MAX, PromptSize};
pub use endpoint::{Endpoint, EndpointPaths};
pub use json::Kind;
pub use observer::{Observed, ResponseFacts, ResponseObserver};
pub use refusal::{Refusal, Reply};
pub use slo_headers::{SloHeaderError, slo_from_headers, unknown_slo_headers};
pub use sse::SseReader;
pub use tail::TailReader;
#[cfg(feature = "exact")]
pub use tokens::Cl100k;
pub use tokens::TokenCounter;
pub use usage::Usage;
