//! `make demo`: every policy under the same load, and who kept the SLO.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use laboratory::cluster;
use laboratory::demo::cluster::Cluster;
use laboratory::demo::progress::Display;
use laboratory::demo::report::{Report, Setup};
use laboratory::engine::Gpu;
use laboratory::load::{self, Record};
use laboratory::workload::{Arrival, arrivals};

use super::run_here;

/// Simulated pods (one A10, four L20) behind a real Envoy with the filter; the same load for each policy.
#[derive(Args)]
pub(crate) struct Flags {
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

pub(super) fn run(flags: Flags) -> Result<()> {
    ensure!(flags.rate.is_finite() && flags.rate > 0.0, "--rate: {} is not a positive number", flags.rate);
    let arrivals = arrivals(flags.rate, Duration::from_secs(flags.seconds), flags.seed);
    ensure!(!arrivals.is_empty(), "no request arrives in {} s at {} per second", flags.seconds, flags.rate);
    let report = run_here(all(&flags, &arrivals))?;
    report.write(&flags.out)?;
    println!("{}", report.table());
    println!("kept SLO: {}. Figures and plot: {}", setup(&flags).slo, files(&flags.out));
    Ok(())
}

async fn all(flags: &Flags, arrivals: &[Arrival]) -> Result<Report> {
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
