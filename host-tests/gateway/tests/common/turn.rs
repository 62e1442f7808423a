//! Limit on the number of Envoys that run side by side.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// In all test processes: more would slow each other down.
const SIDE_BY_SIDE: usize = 2;

/// The right to run an Envoy, for as long as it lives.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "its lock is the right")] File);

/// Waits for one's turn.
pub fn turn() -> io::Result<Turn> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(directory)?;
    let open = |number| File::create(directory.join(format!("envoy-{number}.lock")));
    for number in 0..SIDE_BY_SIDE {
        let file = open(number)?;
        if file.try_lock().is_ok() {
            return Ok(Turn(file));
        }
    }
    let file = open(std::process::id() as usize % SIDE_BY_SIDE)?;
    file.lock()?;
    Ok(Turn(file))
}
