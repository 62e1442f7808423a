//! Sources of profiles and pods: the requests to send, and the reading of their answers. Pure: who
//! sends them, and when, is decided elsewhere.
//!
//! A [`Source`] begins a [`Fetch`], which names one request after another and reads their answers,
//! until it has made a document: one that [`pods`] or [`profiles`] read. So the one VM that fetches
//! passes on what the others need, and not what a server had to say beside it.

pub mod callout;
pub mod config_map;
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

pub use self::fetch::{Fetch, FetchProgress, Fetched};
pub use self::source::Source;
