//! The commands, each with its flags.

mod bench;
mod calibrate;
mod demo;
#[cfg(feature = "exact")]
mod estimate;
#[cfg(feature = "simulation")]
mod gauntlet;
mod looks;
mod measure;
mod pods;
mod replicas;
#[cfg(feature = "simulation")]
mod simulate;
mod simulate_replicas;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// Experiments with the filter, and the simulated pods that they are made with.
#[derive(Parser)]
pub(crate) enum Command {
    Demo(demo::Flags),
    #[cfg(feature = "simulation")]
    Simulate(Box<simulate::Flags>),
    #[cfg(feature = "simulation")]
    Gauntlet(gauntlet::Flags),
    Bench(bench::Flags),
    Replicas(replicas::Flags),
    Looks(looks::Flags),
    SimulateReplicas(simulate_replicas::Flags),
    #[cfg(feature = "exact")]
    Estimate(estimate::Flags),
    Calibrate(calibrate::Flags),
    MeasureProfiles(measure::Flags),
    Pods(pods::Flags),
}

/// Ctrl-C came before the end.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; nothing is left running")]
pub(crate) struct Interrupted;

// === impl Command ===

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Demo(flags) => demo::run(flags),
            #[cfg(feature = "simulation")]
            Self::Simulate(flags) => simulate::run(&flags),
            #[cfg(feature = "simulation")]
            Self::Gauntlet(flags) => return gauntlet::run(&flags),
            Self::Bench(flags) => bench::run(flags),
            Self::Replicas(flags) => replicas::run(flags),
            Self::Looks(flags) => looks::run(flags),
            Self::SimulateReplicas(flags) => simulate_replicas::run(flags),
            #[cfg(feature = "exact")]
            Self::Estimate(flags) => estimate::run(flags),
            Self::Calibrate(flags) => calibrate::run(flags),
            Self::MeasureProfiles(flags) => measure::run(flags),
            Self::Pods(flags) => pods::run(flags),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Runs an experiment on this thread, since Envoy ends with the thread that started it. Ctrl-C drops it, and with it all
/// that it started.
fn run_here<T>(experiment: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            result = experiment => result,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                Err(Interrupted.into())
            }
        }
    })
}
