//! A completion server with a fault.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Its fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    NoUsage,
    Status(u16),
    /// This status for every n-th request.
    Every(u32, u16),
    Stall,
    Malformed,
    Truncated,
    Empty,
    Reset,
}

/// Serves until dropped.
pub struct Misbehaving {
    port: u16,
    task: JoinHandle<()>,
}

const TOKEN: &str = "data: {\"choices\":[{\"text\":\" a\",\"finish_reason\":null}]}\n\n";
const END: &str = "data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}]}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":32,\"completion_tokens\":4}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

impl Misbehaving {
    pub async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = Arc::new(AtomicU32::new(0));
        let route = post(move || {
            let number = served.fetch_add(1, Ordering::Relaxed) + 1;
            async move { answer(fault, number) }
        });
        let router = Router::new().route("/v1/completions", route);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, task }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Misbehaving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(fault: Fault, number: u32) -> Response {
    let tokens = TOKEN.repeat(4);
    match fault {
        Fault::Status(status) => error(status),
        Fault::Every(n, status) if number.is_multiple_of(n) => error(status),
        Fault::None | Fault::Every(..) => stream(format!("{tokens}{END}{USAGE}{DONE}")),
        Fault::NoUsage => stream(format!("{tokens}{END}{DONE}")),
        Fault::Malformed => stream(format!("{TOKEN}data: {{\"choices\":\n\n")),
        Fault::Truncated => stream(TOKEN.to_owned()),
        Fault::Empty => stream(format!("{END}{DONE}")),
        Fault::Stall => {
            let first = futures_util::stream::once(async { Ok::<_, Infallible>(Bytes::from(TOKEN)) });
            events(Body::from_stream(futures_util::StreamExt::chain(first, futures_util::stream::pending())))
        }
        Fault::Reset => {
            let broken = futures_util::stream::iter([Ok(Bytes::from(TOKEN)), Err(std::io::Error::other("gone"))]);
            events(Body::from_stream(broken))
        }
    }
}

fn error(status: u16) -> Response {
    (StatusCode::from_u16(status).unwrap(), "{\"error\":{\"message\":\"no\"}}").into_response()
}

fn stream(text: String) -> Response {
    events(Body::from(text))
}

fn events(body: Body) -> Response {
    ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
}
