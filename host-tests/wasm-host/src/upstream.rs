//! The upstream side of a stream: what becomes of a request that the filter let go.

use std::time::Duration;

use crate::{Headers, Thread};

/// A request at the moment its headers went on.
#[derive(Clone, Debug)]
pub struct Forwarded<'a> {
    /// Thread of the worker that it is on.
    pub thread: Thread,
    /// Time at which it was forwarded.
    pub at: Duration,
    /// Its headers, as the filter left them.
    pub headers: &'a Headers,
    /// Part of its body that was buffered and goes on with them.
    pub body: &'a [u8],
}

/// Treatment of a request by the upstream side.
#[derive(Clone, Debug, Default)]
pub enum Route {
    /// Nothing by itself: the test answers through the stream's handle.
    #[default]
    Manual,
    /// No healthy host: the router answers 503 at once, nested in the resume.
    NoHealthyUpstream,
    /// These events, each at a time after the forwarding.
    Script(Vec<(Duration, UpstreamEvent)>),
}

/// Something the upstream sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamEvent {
    /// Response headers with `:status`, and whether they end the stream.
    Headers(Headers, bool),
    /// A piece of the body, and whether it ends the stream.
    Body(Vec<u8>, bool),
    /// Trailers, which end the stream.
    Trailers(Headers),
    /// The connection breaks.
    Reset,
}

/// Decides over each forwarded request.
pub(crate) type Router = Box<dyn FnMut(&Forwarded<'_>) -> Route>;
