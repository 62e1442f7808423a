//! Servers that cost little: each request is answered at once, with the same bytes.

use std::convert::Infallible;
use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response};

use super::{ANY, Servers, serve};

/// An answer as a model server gives it; what it says of its usage fits [`crate::load::closed::PROMPT_BYTES`] of English.
const ANSWER: &[u8] = br#"{"id":"chatcmpl-6f2b1c9d","object":"chat.completion","created":1764000000,"model":"llama","choices":[{"index":0,"message":{"role":"assistant","content":"Two of the three services share a connection pool, so one slow query holds up the others. Give each its own, and set a limit for how long a query may take."},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":420,"total_tokens":456,"completion_tokens":36}}"#;

/// Starts `count` of them.
///
/// # Errors
/// Where no port can be bound or no thread started.
pub fn start(count: usize) -> io::Result<Servers> {
    Servers::listen(vec![(ANY, ()); count], |listener, ()| serve(listener, answer))
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
