//! Sources of profiles and pods: the requests to send, and the reading of their answers. Pure: who
//! sends them, and when, is decided elsewhere.
//!
//! A [`Source`] begins a [`Fetch`], which names one request after another and reads their answers,
//! until it has made a [`Document`]: of [`pods`] or of [`profiles`]. So the one VM that fetches
//! passes on what the others need, and not what a server had to say beside it.

pub mod callout;
mod completing;
pub mod config_map;
mod document;
pub mod envoy;
mod fetch;
mod fetch_error;
mod gather;
pub mod http;
pub mod kubernetes;
pub mod pods;
pub mod profiles;
pub mod replicas;
mod source;
pub mod webdis;

pub use self::document::{Document, Fetched};
pub use self::fetch::{Fetch, FetchProgress};
pub use self::source::Source;
