//! Connections, and the tasks that drive them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::{AbortHandle, spawn};

use super::Error;

pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

const AUTHORITY: &str = "gateway";

/// Connection that requests reach the server by.
#[derive(Debug, Clone)]
pub(super) enum Connection {
    /// An HTTP/1.1 connection for each.
    Each(SocketAddr),
    /// One HTTP/1.1 connection for all, one after the other.
    Kept(Arc<Mutex<http1::SendRequest<Body>>>, Arc<Driver>),
    /// One HTTP/2 connection for all.
    Shared(http2::SendRequest<Body>, Arc<Driver>),
}

/// The task that drives a connection; ends it when dropped.
#[derive(Debug)]
pub(super) struct Driver(AbortHandle);

// === impl Driver ===

impl Driver {
    fn new(connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static) -> Arc<Self> {
        // Its error reaches the request as well.
        Arc::new(Self(spawn(async { drop(connection.await) }).abort_handle()))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

// === impl Connection ===

impl Connection {
    pub(super) async fn kept(address: SocketAddr) -> Result<Self, Error> {
        let (sender, connection) = http1::handshake(connect(address).await?).await?;
        Ok(Self::Kept(Arc::new(Mutex::new(sender)), Driver::new(connection)))
    }

    pub(super) async fn shared(address: SocketAddr) -> Result<Self, Error> {
        let io = connect(address).await?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        Ok(Self::Shared(sender, Driver::new(connection)))
    }

    /// Sends the request; the driver must live as long as the answer is read.
    pub(super) async fn send(self, mut request: Request<Body>) -> Result<(Response<Incoming>, Arc<Driver>), Error> {
        match self {
            Self::Each(address) => {
                let (mut sender, connection) = http1::handshake(connect(address).await?).await?;
                let driver = Driver::new(connection);
                request.headers_mut().insert(HOST, HeaderValue::from_static(AUTHORITY));
                Ok((sender.send_request(request).await?, driver))
            }
            Self::Kept(sender, driver) => {
                request.headers_mut().insert(HOST, HeaderValue::from_static(AUTHORITY));
                let mut sender = sender.lock().await;
                sender.ready().await?;
                Ok((sender.send_request(request).await?, driver))
            }
            Self::Shared(mut sender, driver) => {
                let mut parts = request.uri().clone().into_parts();
                parts.scheme = Some(hyper::http::uri::Scheme::HTTP);
                parts.authority = Some(hyper::http::uri::Authority::from_static(AUTHORITY));
                *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
                Ok((sender.send_request(request).await?, driver))
            }
        }
    }
}

async fn connect(address: SocketAddr) -> Result<TokioIo<TcpStream>, Error> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(stream))
}
