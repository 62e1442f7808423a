//! Callouts (`proxy_http_call`): clusters with scripted answers.

use std::collections::HashMap;
use std::time::Duration;

use crate::Headers;
use crate::local_reply::LocalReply;

/// A callout that the guest made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The cluster it named.
    pub cluster: String,
    /// Its headers, pseudo headers included.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
    /// Its timeout; zero is none.
    pub timeout: Duration,
    /// Time of the call.
    pub at: Duration,
}

/// Answer of a cluster to one callout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallAnswer {
    /// With a response, after a time. Later than the callout's timeout, it is a 504.
    Response {
        /// Time from the call to the answer.
        after: Duration,
        /// Status, headers and body.
        reply: CallReply,
    },
    /// With a connection that breaks before the answer's headers: Envoy makes a 503 of it.
    Broken {
        /// Time from the call to the break.
        after: Duration,
    },
    /// With a connection that breaks amid the answer: the guest sees no headers at all.
    Reset {
        /// Time from the call to the break.
        after: Duration,
    },
    /// Not at all, so that the timeout strikes.
    Silence,
    /// No host is healthy: the call fails at once with `InternalFailure`.
    NoHosts,
}

/// Answer as the guest sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallReply {
    /// Headers, `:status` first.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// Trailers, mostly none.
    pub trailers: Headers,
}

/// Decides over each callout to a cluster.
pub(crate) type Answers = Box<dyn FnMut(&Call) -> CallAnswer>;

/// The clusters that exist, and the calls that were made.
#[derive(Default)]
pub(crate) struct Clusters {
    answers: HashMap<String, Answers>,
    pub(crate) calls: Vec<Call>,
}

// === impl CallAnswer ===

impl CallAnswer {
    /// A response of that status and body after a time.
    pub fn response(after: Duration, status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Response { after, reply: CallReply::new(status, body) }
    }
}

// === impl CallReply ===

impl CallReply {
    /// A response with a status, a content length, a body, and the header that Envoy adds.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let mut reply = Self::local(status, body.into());
        reply.headers.add("x-envoy-upstream-service-time", "1");
        reply
    }

    fn local(status: u16, body: Vec<u8>) -> Self {
        let headers = [(":status", status.to_string()), ("content-length", body.len().to_string())];
        Self { headers: headers.into_iter().collect(), body, trailers: Headers::default() }
    }

    /// Returns the answer that Envoy makes itself when a callout's time is over.
    fn timed_out() -> Self {
        Self::text(504, "upstream request timeout")
    }

    /// Returns the answer that Envoy makes itself when the connection breaks.
    fn broken() -> Self {
        Self::text(503, LocalReply::UPSTREAM_RESET)
    }

    /// Three headers and a text.
    fn text(status: u16, text: &str) -> Self {
        let mut reply = Self::local(status, text.into());
        reply.headers.add("content-type", "text/plain");
        reply
    }
}

// === impl Clusters ===

impl Clusters {
    pub(crate) fn set(&mut self, cluster: String, answers: Answers) {
        self.answers.insert(cluster, answers);
    }

    pub(crate) fn knows(&self, cluster: &str) -> bool {
        self.answers.contains_key(cluster)
    }

    /// Returns the time and reply that the guest gets, where no reply is a reset; `Err` where there
    /// is no host, `Ok(None)` where it never gets anything.
    pub(crate) fn answer(&mut self, call: Call) -> Result<Option<(Duration, Option<CallReply>)>, ()> {
        let answer = self.answers.get_mut(&call.cluster).map_or(CallAnswer::NoHosts, |answers| answers(&call));
        let timeout = (!call.timeout.is_zero()).then_some(call.timeout);
        self.calls.push(call);
        let (after, reply) = match answer {
            CallAnswer::NoHosts => return Err(()),
            CallAnswer::Silence => (Duration::MAX, None),
            CallAnswer::Broken { after } => (after, Some(CallReply::broken())),
            CallAnswer::Reset { after } => (after, None),
            CallAnswer::Response { after, reply } => (after, Some(reply)),
        };
        Ok(match timeout {
            Some(timeout) if timeout < after => Some((timeout, Some(CallReply::timed_out()))),
            _ if after == Duration::MAX => None,
            _ => Some((after, reply)),
        })
    }
}
