//! Port to a server that is measured.

use std::fmt;
use std::time::Duration;

use slo_router::scheduling::shape::Shape;

use super::Trial;

/// A server that can be loaded.
pub trait Server {
    /// Sends the trial's requests when they are due, whatever becomes of earlier ones (open loop), until the trial is over;
    /// what is then still under way is cancelled.
    ///
    /// # Errors
    ///
    /// What makes any further measurement pointless. Failures of single requests go to the trial.
    fn run(&mut self, trial: &mut Trial) -> impl Future<Output = Result<(), ServerError>>;

    /// Sends one request of this shape to the otherwise idle server. `number` tells prompts apart.
    ///
    /// # Errors
    ///
    /// As for [`Server::run`]; the inner error is the request's own.
    fn ask(&mut self, shape: Shape, number: u64) -> impl Future<Output = Result<Result<Answer, Failure>, ServerError>>;

    /// Waits until the server is idle again, or answers again after it did not.
    ///
    /// # Errors
    ///
    /// If it does not in time.
    fn settle(&mut self) -> impl Future<Output = Result<(), ServerError>>;
}

/// Course of one request that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// From send to the first token.
    pub ttft: Duration,
    /// From send to the end.
    pub e2e: Duration,
    /// Tokens of the prompt, where the server reports usage.
    pub input_tokens: Option<u32>,
    /// Tokens of the answer: as reported, else the events with output that came.
    pub output_tokens: u32,
}

/// Course of one request that was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 429 or 503: the server is full. It counts as a missed objective, and is no defect.
    Refused(u16),
    /// Another status than 200, and what the body says.
    Status(u16, String),
    /// No connection, or it broke.
    Connection(String),
    /// Nothing came for longer than any answer takes.
    Stalled,
    /// The answer is no stream of server-sent events as OpenAI's API has them.
    Malformed(String),
    /// The answer has no output at all.
    Empty,
}

/// Reason for which measuring stops.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It does not answer any more.
    #[error("the server does not answer: {0}")]
    Gone(String),
    /// It answers, but will never take such requests (a wrong key, an unknown model).
    #[error("the server refuses what it is asked: {0}")]
    Refuses(String),
    /// It did not become idle.
    #[error("the server does not become idle: {0}")]
    Busy(String),
}

// === impl Failure ===

impl Failure {
    /// A short name, to count by.
    pub fn kind(&self) -> String {
        match self {
            Self::Refused(status) | Self::Status(status, _) => format!("status {status}"),
            Self::Connection(_) => "connection".into(),
            Self::Stalled => "stalled".into(),
            Self::Malformed(_) => "malformed".into(),
            Self::Empty => "empty".into(),
        }
    }

    /// Returns `true` if it is a sign of load rather than of a defect.
    pub fn is_load(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) => write!(f, "status {status}: the server is full"),
            Self::Status(status, message) => write!(f, "status {status}: {message}"),
            Self::Connection(reason) => write!(f, "the connection failed: {reason}"),
            Self::Stalled => f.write_str("the answer stalled"),
            Self::Malformed(reason) => write!(f, "the answer is malformed: {reason}"),
            Self::Empty => f.write_str("the answer has no output"),
        }
    }
}
