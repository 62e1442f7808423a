//! The laboratory's program.

mod commands;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use self::commands::{Command, Interrupted};

/// The status of a command that Ctrl-C ended, as shells have it.
const INTERRUPTED: u8 = 130;

fn main() -> Result<ExitCode> {
    match Command::parse().run() {
        Err(error) if error.is::<Interrupted>() => {
            eprintln!("{error}");
            Ok(INTERRUPTED.into())
        }
        result => result,
    }
}
