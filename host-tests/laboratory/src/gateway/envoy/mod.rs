//! One Envoy process.

mod admin;
mod binary;
mod config;
mod error;
mod metrics;
mod options;
mod process;
mod update;

use std::net::SocketAddr;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use self::admin::Admin;
use self::process::Process;
use crate::gateway::LIMIT;

pub use self::binary::filter;
pub use self::config::{find, path};
pub use self::error::Error;
pub use self::metrics::{Metrics, Stats};
pub use self::options::Options;

/// A running Envoy. It is killed when dropped, and when this process or the thread that started it ends.
///
/// When it is dropped by a test that panics, the end of its log goes to standard error.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    admin: Admin,
    gateway: SocketAddr,
    options: Options,
    directory: TempDir,
}

// === impl Envoy ===

impl Envoy {
    /// Starts Envoy and waits until its listeners accept connections.
    ///
    /// # Errors
    /// Where there is no Envoy to start, where it exits (as with a configuration that it or the filter refuses; the error
    /// carries its log) and where it is not ready in time.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let directory = tempfile::tempdir()?;
        let file = config::write(&options, directory.path())?;
        let mut process = Process::spawn(&options, &file, directory.path())?;
        let started = Instant::now();
        let (admin, gateway) = loop {
            if let Some(status) = process.exited()? {
                return Err(Error::Exited { status, log: process.log() });
            }
            if let Some(found) = Admin::find(directory.path()).await {
                break found;
            }
            if started.elapsed() > LIMIT {
                return Err(Error::NotReady { log: process.log() });
            }
            sleep(std::time::Duration::from_millis(10)).await;
        };
        Ok(Self { process, admin, gateway, options, directory })
    }

    /// Lets Envoy check a configuration (`--mode validate`), the filter's JSON included.
    ///
    /// # Errors
    /// [`Error::Exited`] with what Envoy said where it refuses the configuration.
    pub async fn validate(options: &Options) -> Result<(), Error> {
        let directory = tempfile::tempdir()?;
        let file = config::write(options, directory.path())?;
        Process::validate(options, &file, directory.path()).await
    }

    /// The same for a whole configuration, as it is written.
    ///
    /// # Errors
    /// [`Error::Exited`] with what Envoy said where it refuses the configuration.
    pub async fn validate_text(config: &str) -> Result<(), Error> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("envoy.yaml");
        std::fs::write(&file, config)?;
        Process::validate(&Options::new(serde_json::Value::Null, []), &file, directory.path()).await
    }

    /// Returns the address that the gateway listens on.
    pub fn address(&self) -> SocketAddr {
        self.gateway
    }

    /// Returns the address of another listener of the configuration; `None` where there is none of
    /// this name.
    pub async fn listener(&self, name: &str) -> Option<SocketAddr> {
        self.admin.listener(name).await
    }

    /// Returns the options that it runs with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Its process; `None` once it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// Counters and gauges by Envoy's own names.
    ///
    /// # Errors
    /// Where the admin interface does not answer.
    pub async fn stats(&self) -> Result<Stats, Error> {
        Ok(Stats::parse(&self.admin.get("/stats").await?))
    }

    /// All metrics as Prometheus sees them, with labels.
    ///
    /// # Errors
    /// Where the admin interface does not answer.
    pub async fn prometheus(&self) -> Result<Metrics, Error> {
        Metrics::parse(&self.admin.get("/stats/prometheus").await?)
    }

    /// The answer of the admin interface to a GET of `path`.
    ///
    /// # Errors
    /// Where it does not answer, or not with 200.
    pub async fn get(&self, path: &str) -> Result<String, Error> {
        self.admin.get(path).await
    }

    /// The answer of the admin interface to a POST to `path`, such as `/drain_listeners?graceful`.
    ///
    /// # Errors
    /// Where it does not answer, or not with 200.
    pub async fn post(&self, path: &str) -> Result<String, Error> {
        self.admin.post(path).await
    }

    /// Returns what Envoy and the filter have logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Ends Envoy as an operator does, by SIGTERM, and returns its log.
    ///
    /// # Errors
    /// Where it had died before, or does not end.
    pub async fn stop(mut self) -> Result<String, Error> {
        self.process.terminate().await?;
        Ok(self.process.log())
    }
}
