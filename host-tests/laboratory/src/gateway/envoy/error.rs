//! Errors of an Envoy under test.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Error of an Envoy that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no Envoy at the place where it is looked for.
    #[error("no Envoy at {0}: install one with host-tests/install-envoy.sh, or set ENVOY to its path")]
    NoBinary(PathBuf),
    /// There is no filter to load.
    #[error("no filter at {0}: build it with `make build`, or set SLO_ROUTER_WASM to its path")]
    NoFilter(PathBuf),
    /// The shipped configuration is not YAML.
    #[error("envoy/standalone.yaml: {0}")]
    Yaml(#[from] serde_norway::Error),
    /// Envoy ended by itself.
    #[error("envoy ended with {status}; its log:\n{log}")]
    Exited {
        /// Status that it ended with.
        status: ExitStatus,
        /// Log up to then.
        log: String,
    },
    /// Envoy runs but is not ready.
    #[error("envoy is not ready in time; its log:\n{log}")]
    NotReady {
        /// Log so far.
        log: String,
    },
    /// Envoy refused a configuration update and goes on with the configuration that it had.
    #[error("envoy refused the update; its log since:\n{log}")]
    Refused {
        /// Log lines about the update.
        log: String,
    },
    /// The admin interface answered with an error or with what cannot be read.
    #[error("admin interface, {path}: {message}")]
    Admin {
        /// Path that was asked for.
        path: String,
        /// Fault of the answer.
        message: String,
    },
    /// The operating system refused something.
    #[error(transparent)]
    Io(#[from] io::Error),
}
