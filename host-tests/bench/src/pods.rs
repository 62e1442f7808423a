//! Pods that cost little: each request is answered at once, with the same bytes.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::thread;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinSet, spawn};

/// An answer as a model server gives it; what it says of its usage fits [`crate::load::PROMPT_BYTES`] of English.
const ANSWER: &[u8] = br#"{"id":"chatcmpl-6f2b1c9d","object":"chat.completion","created":1764000000,"model":"llama","choices":[{"index":0,"message":{"role":"assistant","content":"Two of the three services share a connection pool, so one slow query holds up the others. Give each its own, and set a limit for how long a query may take."},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":420,"total_tokens":456,"completion_tokens":36}}"#;

/// Starts `count` pods on a thread of their own, which ends with this process.
///
/// # Errors
/// Where no port can be bound or no thread started.
pub fn start(count: usize) -> Result<Vec<SocketAddr>> {
    let bind = || -> Result<StdListener> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    let listeners = (0..count).map(|_| bind()).collect::<Result<Vec<_>>>().context("cannot start the pods")?;
    let addresses = listeners.iter().map(|listener| Ok(listener.local_addr()?)).collect::<Result<_>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("pods".into()).spawn(move || runtime.block_on(serve_all(listeners)))?;
    Ok(addresses)
}

async fn serve_all(listeners: Vec<StdListener>) {
    let mut servers = JoinSet::new();
    for listener in listeners {
        servers.spawn(serve(listener));
    }
    servers.join_all().await;
}

async fn serve(listener: StdListener) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        spawn(async move {
            drop(stream.set_nodelay(true));
            // Ends with an error where Envoy is stopped.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await);
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
