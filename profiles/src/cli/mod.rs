//! The command line.

mod build;
mod files;
mod measure;
mod options;
mod progress;
mod publish;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// Measure what a model server sustains under a latency objective, and make it a profile that the filter reads.
#[derive(Parser)]
#[command(name = "slo-profile", version)]
pub(crate) enum Command {
    /// Measure a running server; go on where an interrupted run ended.
    Measure(Box<measure::Options>),
    /// Turn results of other tools into saved measurements.
    Import(files::ImportOptions),
    /// Build a profile from saved measurements, under any SLO, without measuring again.
    Build(build::Options),
    /// Say everything that is wrong with a profile.
    Check(files::CheckOptions),
    /// Show a profile as tables, and as a heat map.
    Show(files::ShowOptions),
    /// Bring profiles to where the filter reads them.
    #[command(subcommand)]
    Publish(publish::Target),
}

// === impl Command ===

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Measure(options) => options.run(),
            Self::Import(options) => options.run(),
            Self::Build(options) => options.run(),
            Self::Check(options) => options.run(),
            Self::Show(options) => options.run(),
            Self::Publish(target) => target.run(),
        }
    }
}
