//! The fake model server, on loopback. It answers in one of three ways:
//!
//! - [`instant`]: at once, with the same bytes, for measurements of what lies before it.
//! - [`scripted`]: as a test says, when it says so; what arrived is recorded.
//! - [`simulated`]: as an [engine](crate::engine) computes, against the real clock.

pub mod instant;
pub mod scripted;
mod servers;
pub mod simulated;

use std::error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use self::servers::Servers;

/// Loopback, with a port that is free.
pub const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Answers each request of each connection, over HTTP/1.1. Dropping it closes all of them.
pub(crate) async fn serve<A, B, E>(
    listener: TcpListener,
    answer: impl Fn(Request<Incoming>) -> A + Clone + Send + 'static,
) where
    A: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn error::Error + Send + Sync>>> + Send + 'static,
    E: Into<Box<dyn error::Error + Send + Sync>> + 'static,
{
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let service = service_fn(answer.clone());
        connections.spawn(async move {
            // A token is a packet: nothing may wait for the next one.
            drop(stream.set_nodelay(true));
            // Its error is a script's doing, or the client's.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}
