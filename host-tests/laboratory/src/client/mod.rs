//! A client that watches what it gets and can leave at any point.
//!
//! Dropping whatever stands for a request in progress (the future of [`Request::open`] or [`Request::send`], a
//! [`Pending`], an [`Answer`]) leaves: the connection of an HTTP/1.1 request is closed, the stream of an HTTP/2 one reset.

mod answer;
mod connection;
mod request;

use std::io;
use std::net::SocketAddr;

use hyper::Method;

use self::connection::Connection;

pub use self::answer::{Answer, Reply};
pub use self::request::{Pending, Request, Upload};

/// Reason that there is no answer, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server cannot be reached.
    #[error("cannot connect: {0}")]
    Connect(#[from] io::Error),
    /// The exchange broke off.
    #[error("the exchange broke off: {0}")]
    Broken(#[from] hyper::Error),
}

/// A client of one server.
#[derive(Debug, Clone)]
pub struct Client {
    connection: Connection,
}

// === impl Client ===

impl Client {
    /// HTTP/1.1, each request on a connection of its own.
    pub fn http1(address: SocketAddr) -> Self {
        Self { connection: Connection::Each(address) }
    }

    /// HTTP/1.1, all requests on one connection, one after the other.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub async fn kept(address: SocketAddr) -> Result<Self, Error> {
        Ok(Self { connection: Connection::kept(address).await? })
    }

    /// HTTP/2 with prior knowledge, all requests on one connection.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub async fn http2(address: SocketAddr) -> Result<Self, Error> {
        Ok(Self { connection: Connection::shared(address).await? })
    }

    /// A GET of `path`.
    pub fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    /// A POST to `path`.
    pub fn post(&self, path: &str) -> Request {
        self.request(Method::POST, path)
    }

    /// A request by any other method.
    pub fn request(&self, method: Method, path: &str) -> Request {
        Request::new(self.connection.clone(), method, path)
    }
}
