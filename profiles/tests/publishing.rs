//! Profiles to a real Redis, and to a real HTTP server.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::put;
use slo_profile::publish::{entries, to_redis, to_url};
use slo_router::scheduling::profile::Profile;
use tokio::sync::mpsc;

const PROFILE: &str = r#"{"gpu": "a10", "deployment": "ns/a10", "model": "m", "created": 1.0,
    "slos": {"percentile": 90, "e2e": 5.0}, "indexes": [[16], [64]], "tputs": [[8.0]], "e2e": [[1.0]]}"#;

/// A server of its own, gone when dropped.
struct Redis {
    process: Child,
    url: String,
}

impl Redis {
    /// `make test` brings the program.
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let arguments = ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let process = Command::new("redis-server").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = process.expect("redis-server is not on the PATH; `make test-profile` puts it there");
        let redis = Self { process, url: format!("redis://127.0.0.1:{port}/0") };
        let until = Instant::now() + Duration::from_secs(10);
        while redis.connect().is_err() {
            assert!(Instant::now() < until, "redis-server does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        redis
    }

    fn connect(&self) -> redis::RedisResult<redis::Connection> {
        redis::Client::open(self.url.as_str())?.get_connection()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_profile_lies_in_redis_under_aibrixs_key() {
    let redis = Redis::start();
    let keys = to_redis(&entries(PROFILE.as_bytes()).unwrap(), &redis.url).unwrap();
    assert_eq!(keys, ["aibrix:profile_m_a10"]);
    let text: String = redis::cmd("GET").arg("aibrix:profile_m_a10").query(&mut redis.connect().unwrap()).unwrap();
    assert_eq!(Profile::from_json(text.as_bytes()).unwrap().gpu, "a10");
}

#[test]
fn a_redis_that_is_not_there_is_named() {
    let error = to_redis(&entries(PROFILE.as_bytes()).unwrap(), "redis://127.0.0.1:1/0").unwrap_err().to_string();
    assert!(error.contains("redis://127.0.0.1:1/0"), "{error}");
}

#[tokio::test]
async fn a_put_carries_the_document_and_its_refusal_is_told() {
    let (sender, mut bodies) = mpsc::unbounded_channel::<Bytes>();
    let accept = move |body: Bytes| async move { drop(sender.send(body)) };
    let router = Router::new()
        .route("/profiles.json", put(accept))
        .route("/full", put(|| async { (StatusCode::INSUFFICIENT_STORAGE, "disk full") }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let entries = entries(PROFILE.as_bytes()).unwrap();
    to_url(&entries, &format!("{base}/profiles.json"), None).await.unwrap();
    let body = bodies.recv().await.unwrap();
    assert_eq!(slo_router::sources::profiles::parse(&body).unwrap().profiles.len(), 1);
    let error = to_url(&entries, &format!("{base}/full"), None).await.unwrap_err().to_string();
    assert!(error.contains("507") && error.contains("disk full"), "{error}");
}
