//! Paths of the repository, Envoy's binary and the filter.

use std::env;
use std::path::{Path, PathBuf};

use super::Error;

/// The repository's root. Envoy runs there, so that the file names of the shipped configuration hold.
pub(super) fn root() -> PathBuf {
    let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_directory.ancestors().nth(2).unwrap_or(crate_directory).to_path_buf()
}

/// Envoy's binary: `ENVOY`, or the one that `host-tests/install-envoy.sh` installs.
pub(super) fn envoy() -> Result<PathBuf, Error> {
    let path = env::var_os("ENVOY").map_or_else(|| root().join("target/venv/bin/envoy"), PathBuf::from);
    if path.is_file() { Ok(path) } else { Err(Error::NoBinary(path)) }
}

/// The filter's file: `SLO_ROUTER_WASM`, or what `make build` builds.
///
/// # Errors
/// [`Error::NoFilter`] where there is none.
pub fn filter() -> Result<PathBuf, Error> {
    let built = || root().join("target/wasm32-wasip1/release/slo_router.wasm");
    let path = env::var_os("SLO_ROUTER_WASM").map_or_else(built, PathBuf::from);
    if path.is_file() { Ok(path) } else { Err(Error::NoFilter(path)) }
}
