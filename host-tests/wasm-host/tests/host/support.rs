//! The probe guest, and its log as a list of lines.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use wasm_host::{Builder, Program, Thread, What, World};

/// The probe's `.wasm`, built when first asked for.
pub fn probe_path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("probe");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--release", "--locked", "--target", "wasm32-wasip1", "--target-dir"])
            .arg(&target)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("guests"))
            .env_remove("RUSTFLAGS")
            .status();
        assert!(built.expect("cargo runs").success(), "the probe guest does not build");
        target.join("wasm32-wasip1/release/probe.wasm")
    })
}

/// A world of one worker whose root does as `configuration` says.
pub fn world(configuration: &str) -> World {
    builder(configuration).build().unwrap()
}

pub fn builder(configuration: &str) -> Builder {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| Program::load(probe_path()).unwrap());
    World::builder(program).name("probe").vm_id("probe").configuration(configuration)
}

pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Returns what the probe saw on a worker, with contexts as the proxy numbered them.
pub fn seen(world: &World, worker: usize) -> Vec<String> {
    let lines = world.events().into_iter().filter_map(|event| match event.what {
        What::Log(_, line) if event.thread == Thread::Worker(worker) => Some(line.strip_prefix("ev ")?.to_owned()),
        _ => None,
    });
    lines.collect()
}

/// The lines of [`seen`] from the first request on.
pub fn seen_of_requests(world: &World) -> Vec<String> {
    seen(world, 0).into_iter().skip_while(|line| !line.contains("request_headers")).collect()
}

/// Returns the number of times that a worker's root ticked.
pub fn ticks(world: &World, worker: usize) -> usize {
    let events = world.events().into_iter().filter(|event| event.thread == Thread::Worker(worker));
    events.filter(|event| event.what == What::Callback("proxy_on_tick")).count()
}
