//! A request before it has an answer.

use bytes::Bytes;
use http_body_util::{BodyExt, Channel, Empty, Full, channel};
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::task::{JoinHandle, spawn};
use tokio::time::Instant;

use super::connection::{Body, Connection};
use super::{Answer, Error, Reply};

/// A request to be sent.
#[must_use = "it is not sent yet"]
#[derive(Debug)]
pub struct Request {
    connection: Connection,
    request: hyper::Request<Body>,
}

/// Sender of the parts of a request's body. Dropping it ends the body.
pub type Upload = channel::Sender<Bytes>;

/// A request that is under way in a task of its own. Dropping it leaves.
#[derive(Debug)]
pub struct Pending(JoinHandle<Result<Reply, Error>>);

// === impl Request ===

impl Request {
    /// # Panics
    /// Where `path` is none.
    pub(super) fn new(connection: Connection, method: Method, path: &str) -> Self {
        let mut request = hyper::Request::new(Empty::new().boxed_unsync());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap_or_else(|error| panic!("path {path:?}: {error}"));
        Self { connection, request }
    }

    /// Adds a header.
    ///
    /// # Panics
    /// Where it is none.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).unwrap_or_else(|error| panic!("header {name:?}: {error}"));
        let value = HeaderValue::try_from(value).unwrap_or_else(|error| panic!("header {name}: {value:?}: {error}"));
        self.request.headers_mut().append(name, value);
        self
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        *self.request.body_mut() = Full::new(body.into()).boxed_unsync();
        self
    }

    /// The body, as JSON.
    pub fn json(self, body: &Value) -> Self {
        self.header(CONTENT_TYPE.as_str(), "application/json").body(body.to_string())
    }

    /// The body is to come in parts, of no known length.
    pub fn upload(mut self) -> (Self, Upload) {
        let (sender, body) = Channel::new(1);
        *self.request.body_mut() = body.boxed_unsync();
        (self, sender)
    }

    /// Sends the request and waits for the head of the answer.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn open(self) -> Result<Answer, Error> {
        let sent = Instant::now();
        let (response, driver) = self.connection.send(self.request).await?;
        Ok(Answer::new(sent, response, driver))
    }

    /// Sends the request and waits for the whole answer.
    ///
    /// # Errors
    /// Where there is none, or not all of it.
    pub async fn send(self) -> Result<Reply, Error> {
        self.open().await?.rest().await
    }

    /// Sends the request at once and lets the caller go on.
    #[must_use = "dropping it leaves"]
    pub fn start(self) -> Pending {
        Pending(spawn(self.send()))
    }
}

// === impl Pending ===

impl Pending {
    /// Waits for the whole answer.
    ///
    /// # Errors
    /// Where there is none, or not all of it.
    ///
    /// # Panics
    /// Where the exchange panicked.
    pub async fn reply(mut self) -> Result<Reply, Error> {
        (&mut self.0).await.unwrap_or_else(|error| panic!("the exchange panicked: {error}"))
    }

    /// The answer is complete, or has failed.
    pub fn is_over(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.abort();
    }
}
