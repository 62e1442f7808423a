//! The answer to a request.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{HeaderMap, Response, StatusCode};
use serde_json::Value;
use tokio::time::Instant;

use super::Error;
use super::connection::Driver;

/// An answer whose head is here and whose body is read part by part. Dropping it leaves.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    sent: Instant,
    answered: Instant,
    body: Incoming,
    driver: Arc<Driver>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Instant at which the request was sent.
    pub sent: Instant,
    /// Instant at which the answer's head came.
    pub answered: Instant,
    /// Instant at which its last byte came.
    pub ended: Instant,
}

// === impl Answer ===

impl Answer {
    pub(super) fn new(sent: Instant, response: Response<Incoming>, driver: Arc<Driver>) -> Self {
        let (head, body) = response.into_parts();
        Self { status: head.status, headers: head.headers, sent, answered: Instant::now(), body, driver }
    }

    /// The next part of the body, as it came; `None` after the last.
    ///
    /// # Errors
    /// Where it breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(frame) = self.body.frame().await {
            match frame?.into_data() {
                // An empty part is but HTTP/2's way to end.
                Ok(data) if !data.is_empty() => return Ok(Some(data)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The whole answer, less the parts that [`next`](Self::next) gave.
    ///
    /// # Errors
    /// Where it breaks off.
    pub async fn rest(mut self) -> Result<Reply, Error> {
        let mut body = BytesMut::new();
        while let Some(data) = self.next().await? {
            body.extend_from_slice(&data);
        }
        let Self { status, headers, sent, answered, driver, .. } = self;
        drop(driver);
        Ok(Reply { status, headers, body: body.freeze(), sent, answered, ended: Instant::now() })
    }
}

// === impl Reply ===

impl Reply {
    /// A header's value, if there is one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// Where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }
}
