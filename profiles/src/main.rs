//! `slo-profile`: what a model server sustains under a latency objective.

mod cli;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match cli::Command::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("slo-profile: {error:#}");
            ExitCode::FAILURE
        }
    }
}
