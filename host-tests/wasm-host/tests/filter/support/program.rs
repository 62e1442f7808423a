//! The compiled filter.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use wasm_host::{Builder, LogLevel, Program, World};

/// The filter's `.wasm`: `SLO_ROUTER_WASM`, or what `make build` makes.
pub fn path() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/wasm32-wasip1/release/slo_router.wasm");
    let path = std::env::var_os("SLO_ROUTER_WASM").map_or(built, PathBuf::from);
    assert!(path.is_file(), "no filter at {}: run `make build`, or set SLO_ROUTER_WASM", path.display());
    path
}

/// A world to be made that runs the filter with this configuration.
pub fn builder(configuration: &impl ToString) -> Builder {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    of(PROGRAM.get_or_init(|| Program::load(path()).unwrap()), configuration)
}

/// The same, of a program that was loaded otherwise.
pub fn of(program: &Program, configuration: &impl ToString) -> Builder {
    World::builder(program)
        .name("slo-router")
        .vm_id("slo-router")
        .log_level(LogLevel::Info)
        .configuration(configuration.to_string())
}
