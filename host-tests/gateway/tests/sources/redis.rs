//! AIBrix's keys in a real Redis, behind a real Webdis.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;

use gateway::backend::Plan;
use gateway::until;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::with_cluster;
use crate::common::{DEPLOYMENT, Rig, Test, pods, profile};

/// A Redis and its Webdis, both on loopback. They end with the test.
struct Redis {
    redis: SocketAddr,
    webdis: SocketAddr,
    _processes: [Child; 2],
    _directory: tempfile::TempDir,
}

impl Redis {
    async fn start() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let [redis, webdis] = [free()?, free()?];
        let run = |program: &str, arguments: &[&str]| {
            Command::new(program)
                .args(arguments)
                .current_dir(directory.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .map_err(|error| anyhow::anyhow!("{program}: {error}; `make test-envoy` brings it along"))
        };
        let port = redis.port().to_string();
        let arguments = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let server = run("redis-server", &arguments)?;
        let config = json!({
            "redis_host": "127.0.0.1", "redis_port": redis.port(), "http_host": "127.0.0.1", "http_port": webdis.port(),
            "threads": 1, "pool_size": 2, "daemonize": false, "database": 0, "verbosity": 1, "logfile": "webdis.log",
        });
        std::fs::write(directory.path().join("webdis.json"), config.to_string())?;
        until("Redis listens", async || TcpStream::connect(redis).is_ok()).await;
        let http = run("webdis", &["webdis.json"])?;
        until("Webdis listens", async || TcpStream::connect(webdis).is_ok()).await;
        Ok(Self { redis, webdis, _processes: [server, http], _directory: directory })
    }

    /// Sets a key, as AIBrix does.
    fn set(&self, key: &str, value: &str) -> Test {
        self.command(&["SET", key, value])
    }

    fn command(&self, words: &[&str]) -> Test {
        let mut stream = TcpStream::connect(self.redis)?;
        let words: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
        let count = words.matches("\r\n$").count() + 1;
        write!(stream, "*{count}\r\n{words}")?;
        let mut reply = [0; 64];
        let length = stream.read(&mut reply)?;
        let reply = String::from_utf8_lossy(&reply[..length]);
        anyhow::ensure!(reply.starts_with(['+', ':']), "{reply}");
        Ok(())
    }
}

/// A port that is free when asked, and that nobody else is given so soon.
fn free() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// The profile as AIBrix writes it, with what it has for missing measurements.
fn written(gpu: &str, fit: u32) -> String {
    let mut profile: Value = profile(DEPLOYMENT, "m", fit)["profile"].take();
    profile["gpu"] = json!(gpu);
    let text = profile.to_string();
    text.replace("\"ttft\":[[0.25]]", "\"ttft\":[[NaN]]")
}

#[tokio::test]
async fn the_profiles_of_aibrix_are_read_and_their_changes_followed() -> Test {
    let redis = Redis::start().await?;
    redis.set("aibrix:profile_m_a", &written("a", 1))?;
    redis.set("aibrix:profile_org/some.model.json_b_with_underscores", &written("b_with_underscores", 9))?;
    for other in 0..120 {
        redis.set(&format!("aibrix:profile_m_other-{other}"), &written(&format!("other-{other}"), 9))?;
        redis.set(&format!("aibrix:trace_{other}"), "none of ours")?;
    }
    let pods = pods(1, &Plan::Hold)?;
    let mut filter = crate::common::filter(&pods, 1);
    filter["profiles"] = json!({ "webdis": { "cluster": "webdis", "interval": "100ms" } });
    // A worker that has not taken the profiles yet goes by this, and so by the same.
    filter["capacity"] = json!({ "default_concurrency": 1 });
    let address = redis.webdis;
    let rig = Rig::with(pods, filter, |options| with_cluster(options, "webdis", address)).await?;
    until("the profiles are there", async || rig.source_updates("profiles").await >= 1.0).await;
    let pending: Vec<_> = (0..4).map(|_| rig.ask().start()).collect();
    rig.waiting(3).await;

    redis.set("aibrix:profile_m_a", &written("a", 3))?;
    rig.pods[0].arrival(2).await;
    rig.waiting(1).await;
    redis.set("aibrix:profile_m_a", "no profile")?;
    until("the bad profile is told", async || rig.source_errors("partial").await >= 2.0).await;
    assert_eq!(rig.counts(), [3], "the last good one stays");
    redis.command(&["DEL", "aibrix:profile_m_a"])?;
    redis.set("aibrix:profile_m_a", &written("a", 4))?;
    rig.pods[0].arrival(3).await;
    drop(pending);
    Ok(())
}
