//! A real Redis behind a real Webdis.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;

use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::gateway::until;

/// Webdis' configuration, and its log.
const CONFIG: &str = "webdis.json";

/// Redis and its Webdis, both on loopback. They end when this is dropped.
#[derive(Debug)]
pub struct Redis {
    redis: SocketAddr,
    webdis: SocketAddr,
    _server: Child,
    http: Option<Child>,
    directory: TempDir,
}

// === impl Redis ===

impl Redis {
    /// Starts both and waits until they listen.
    ///
    /// # Errors
    /// Where one of the programs is missing.
    pub async fn start() -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let [redis, webdis] = [free()?, free()?];
        let port = redis.port().to_string();
        let arguments = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let server = run("redis-server", &arguments, &directory)?;
        let config = json!({
            "redis_host": "127.0.0.1", "redis_port": redis.port(), "http_host": "127.0.0.1", "http_port": webdis.port(),
            "threads": 1, "pool_size": 2, "daemonize": false, "database": 0, "verbosity": 1, "logfile": "webdis.log",
        });
        std::fs::write(directory.path().join(CONFIG), config.to_string())?;
        until("Redis listens", async || TcpStream::connect(redis).is_ok()).await;
        let mut started = Self { redis, webdis, _server: server, http: None, directory };
        started.open().await?;
        Ok(started)
    }

    /// Returns the address that Webdis listens on.
    pub fn webdis(&self) -> SocketAddr {
        self.webdis
    }

    /// Ends Webdis: what Redis holds is out of reach.
    ///
    /// # Errors
    /// Where it had ended before.
    pub async fn close(&mut self) -> io::Result<()> {
        match self.http.take() {
            Some(mut http) => http.kill().await,
            None => Err(io::Error::other("Webdis does not run")),
        }
    }

    /// Starts Webdis, where it was ended.
    ///
    /// # Errors
    /// Where the program is missing.
    pub async fn open(&mut self) -> io::Result<()> {
        self.http = Some(run("webdis", &[CONFIG], &self.directory)?);
        until("Webdis listens", async || TcpStream::connect(self.webdis).is_ok()).await;
        Ok(())
    }

    /// Sets a key.
    ///
    /// # Errors
    /// What Redis says against it.
    pub fn set(&self, key: &str, value: &str) -> io::Result<()> {
        self.command(&["SET", key, value])
    }

    /// Sends a command that is answered by a status or a number.
    ///
    /// # Errors
    /// What Redis says against it.
    pub fn command(&self, words: &[&str]) -> io::Result<()> {
        let mut stream = TcpStream::connect(self.redis)?;
        let arguments: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
        write!(stream, "*{}\r\n{arguments}", words.len())?;
        let mut reply = [0; 64];
        let length = stream.read(&mut reply)?;
        let reply = String::from_utf8_lossy(&reply[..length]);
        if reply.starts_with(['+', ':']) { Ok(()) } else { Err(io::Error::other(reply.into_owned())) }
    }
}

fn run(program: &str, arguments: &[&str], directory: &TempDir) -> io::Result<Child> {
    let started = Command::new(program)
        .args(arguments)
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    started
        .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}; `make test-envoy` brings it along")))
}

/// A port that is free when asked, and that nobody else is given so soon.
fn free() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
