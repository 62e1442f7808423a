//! `make demo`: every policy under the same load, and who kept the SLO.

mod progress;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use demo::cluster::Cluster;
use demo::load::{self, Record};
use demo::report::{Report, Setup};
use evaluation::cluster;
use evaluation::workload::{Arrival, arrivals};
use slo_router_pods::engine::Gpu;

use self::progress::Display;

/// The status of a command that Ctrl-C ended, as shells have it.
const INTERRUPTED: u8 = 130;

/// Simulated pods (one A10, four L20) behind a real Envoy with the filter; the same load for each policy.
#[derive(Parser)]
struct Flags {
    /// Mean requests per second.
    #[arg(long, default_value_t = 8.0)]
    rate: f64,
    /// Seconds in which requests arrive, for each policy.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Policies, in this order.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "slo-attainment,slo,slo-least-load,slo-pack-load,least-request,random"
    )]
    policies: Vec<String>,
    /// Seed of the arrivals.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Envoy's worker threads.
    #[arg(long, default_value_t = 1)]
    workers: u32,
    /// The document of the measured profiles.
    #[arg(long, default_value = "profiles/demo.json")]
    profiles: PathBuf,
    /// Folder for report.json and report.svg.
    #[arg(long, default_value = "target/demo")]
    out: PathBuf,
}

fn main() -> Result<ExitCode> {
    let flags = Flags::parse();
    ensure!(flags.rate.is_finite() && flags.rate > 0.0, "--rate: {} is not a positive number", flags.rate);
    let arrivals = arrivals(flags.rate, Duration::from_secs(flags.seconds), flags.seed);
    ensure!(!arrivals.is_empty(), "no request arrives in {} s at {} per second", flags.seconds, flags.rate);
    fs::create_dir_all(&flags.out).with_context(|| format!("cannot create {}", flags.out.display()))?;
    // One thread, this one: Envoy ends with the thread that started it, and the load takes a small part of a core.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        tokio::select! {
            report = run(&flags, &arrivals) => report.map(Some),
            interrupted = tokio::signal::ctrl_c() => {
                // Pods and Envoy go with the run, which is dropped here.
                interrupted?;
                Ok(None)
            }
        }
    })?;
    let Some(report) = report else {
        eprintln!("interrupted; nothing is left running");
        return Ok(INTERRUPTED.into());
    };
    report.write(&flags.out)?;
    println!("{}", report.table());
    println!("kept SLO: {}. Figures and plot: {}", setup(&flags).slo, files(&flags.out));
    Ok(ExitCode::SUCCESS)
}

async fn run(flags: &Flags, arrivals: &[Arrival]) -> Result<Report> {
    let mut report = Report::new(setup(flags));
    let display = Display::new(flags.policies.len(), arrivals.len(), Duration::from_secs(flags.seconds))?;
    for policy in &flags.policies {
        let records = run_policy(policy, flags, arrivals, &display).await?;
        report.add(policy, records);
    }
    Ok(report)
}

async fn run_policy(policy: &str, flags: &Flags, arrivals: &[Arrival], display: &Display) -> Result<Vec<Record>> {
    let running = display.start(policy);
    let cluster = Cluster::start(policy, flags.workers, &flags.profiles).await?;
    let records = load::run(cluster.address(), arrivals, |now| running.show(now)).await;
    cluster.stop().await.with_context(|| format!("the gateway with policy {policy}"))?;
    Ok(records)
}

fn setup(flags: &Flags) -> Setup {
    Setup {
        rate_per_s: flags.rate,
        seconds: flags.seconds as f64,
        seed: flags.seed,
        slo: "the first token within 2 s, the others 50 ms apart",
        pods: cluster::GPUS.map(Gpu::name).to_vec(),
        model: cluster::MODEL.name(),
        envoy_workers: flags.workers,
    }
}

fn files(folder: &Path) -> String {
    format!("{}, {}", folder.join("report.json").display(), folder.join("report.svg").display())
}
