//! Envoy's process and its log.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::binary::{envoy, root};
use super::{Error, Options};
use crate::gateway::LIMIT;

/// Envoy writes its admin interface's address here.
pub(super) const ADMIN_FILE: &str = "admin.address";

/// Lines of a log that are shown when a test fails.
const TAIL_LINES: usize = 60;

#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    log: PathBuf,
}

// === impl Process ===

impl Process {
    pub(super) fn spawn(options: &Options, config: &Path, directory: &Path) -> Result<Self, Error> {
        let log = directory.join("envoy.log");
        let file = File::create(&log)?;
        let child = command(options, config)?
            .arg("--admin-address-path")
            .arg(directory.join(ADMIN_FILE))
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        Ok(Self { child, log })
    }

    pub(super) async fn validate(options: &Options, config: &Path, directory: &Path) -> Result<(), Error> {
        let log = directory.join("envoy.log");
        let file = File::create(&log)?;
        let mut command = command(options, config)?;
        let status = command.args(["--mode", "validate"]).stdout(file.try_clone()?).stderr(file).status().await?;
        if status.success() { Ok(()) } else { Err(Error::Exited { status, log: read(&log) }) }
    }

    /// Returns the status that it ended with, if it has.
    pub(super) fn exited(&mut self) -> Result<Option<ExitStatus>, Error> {
        Ok(self.child.try_wait()?)
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    pub(super) fn log(&self) -> String {
        read(&self.log)
    }

    pub(super) async fn terminate(&mut self) -> Result<(), Error> {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).map_err(io::Error::from)?;
        }
        let ended = timeout(LIMIT, self.child.wait()).await.map_err(|_| Error::NotReady { log: self.log() })?;
        let status = ended?;
        if status.success() { Ok(()) } else { Err(Error::Exited { status, log: self.log() }) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default();
            eprintln!("the last of Envoy's log:\n{}", tail.join("\n"));
        }
    }
}

fn read(log: &Path) -> String {
    fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn command(options: &Options, config: &Path) -> Result<Command, Error> {
    let mut command = Command::new(envoy()?);
    command
        .arg("--config-path")
        .arg(config)
        .args(["--concurrency", &options.workers.to_string()])
        // Many Envoys run side by side; hot restart would have them share memory.
        .arg("--disable-hot-restart")
        // Envoy asks for names where a listener is dynamic.
        .args(["--service-node", "gateway", "--service-cluster", "gateway"])
        // Leaves out hundreds of lines of which extensions there are.
        .args(["--component-log-level", "main:warning"])
        .current_dir(root())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    // SAFETY: the closure only makes one system call, which is safe between fork and exec.
    unsafe {
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
    }
    Ok(command)
}
