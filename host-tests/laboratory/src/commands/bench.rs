//! `make bench`: what the filter costs.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use laboratory::bench::{Arm, Loads, Report, Setup, Slice};
use laboratory::gateway::{self, Envoy};
use laboratory::load::closed as load;
use laboratory::server::instant;

use super::run_here;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

/// Pods behind each Envoy.
const PODS: usize = 5;

/// CPU, throughput and latency of Envoy with the filter against the same Envoy without it, turn by turn.
#[derive(Args)]
pub(crate) struct Flags {
    /// Turns of each arm.
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Length of a turn, in seconds.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Length of the prompt in each request.
    #[arg(long, default_value_t = load::PROMPT_BYTES)]
    prompt_bytes: usize,
    /// Requests under way at once.
    #[arg(long, default_value_t = 16)]
    concurrency: usize,
    /// Number of starts of each Envoy; the last one serves.
    #[arg(long, default_value_t = 3)]
    starts: usize,
    /// The filter's policy.
    #[arg(long, default_value = "slo-attainment")]
    policy: String,
    /// The report's file.
    #[arg(long, default_value = "target/bench/report.json")]
    out: PathBuf,
}

pub(super) fn run(flags: Flags) -> Result<()> {
    ensure!(flags.rounds > 0 && flags.starts > 0 && flags.concurrency > 0, "each number must be at least 1");
    ensure!((0.1..=3600.0).contains(&flags.seconds), "--seconds: {} is not within 0.1 and 3600", flags.seconds);
    let report = run_here(measure(&flags))?;
    report.write(&flags.out)?;
    println!("{}\n{}", report.text(), flags.out.display());
    Ok(())
}

async fn measure(flags: &Flags) -> Result<Report> {
    let slice = Duration::from_secs_f64(flags.seconds);
    let loads = Loads { prompt_bytes: flags.prompt_bytes, concurrency: flags.concurrency, slice };
    let bar = ProgressBar::new((flags.starts + (1 + flags.rounds)) as u64 * Arm::ALL.len() as u64)
        .with_style(ProgressStyle::with_template("{msg:<24} {bar:40.cyan/238} {eta} left")?);
    let pods = instant::start(PODS)?;
    let mut starts = vec![Vec::new(); Arm::ALL.len()];
    let mut envoys = Vec::new();
    for _ in 0..flags.starts {
        envoys.clear();
        for (arm, starts) in Arm::ALL.into_iter().zip(&mut starts) {
            bar.set_message(format!("start, {}", arm.name()));
            let start = Instant::now();
            envoys.push(Envoy::start(arm.options(&flags.policy, pods.addresses())?).await?);
            starts.push(start.elapsed());
            bar.inc(1);
        }
    }
    for (arm, envoy) in Arm::ALL.into_iter().zip(&envoys) {
        bar.set_message(format!("warm-up, {}", arm.name()));
        load::run(envoy.address(), loads.prompt_bytes, loads.concurrency, loads.slice).await?;
        bar.inc(1);
    }
    let mut rounds = vec![Vec::new(); Arm::ALL.len()];
    for _ in 0..flags.rounds {
        for ((arm, envoy), slices) in Arm::ALL.into_iter().zip(&envoys).zip(&mut rounds) {
            bar.set_message(arm.name());
            slices.push(Slice::measure(envoy, loads).await?);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let wasm_bytes = fs::metadata(gateway::filter()?)?.len();
    let setup = Setup { rounds: flags.rounds, loads, wasm_bytes };
    Ok(Report::new(setup, &starts, &rounds))
}
