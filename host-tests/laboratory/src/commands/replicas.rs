//! `make bench-replicas`: what several gateways before the same pods do to them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use laboratory::bench::replicas::{Arm, Load, Meet, Report, arrivals};
use laboratory::report::write_json;

use super::run_here;

/// One, two and four gateways before the same five pods, in each way to know of each other, under the same load.
#[derive(Args)]
pub(crate) struct Flags {
    /// Seconds in which requests come in each arm.
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// The policy.
    #[arg(long, default_value = "slo")]
    policy: String,
    /// The seed of the arrivals.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The report's file.
    #[arg(long, default_value = "target/bench/replicas.json")]
    out: PathBuf,
}

pub(super) fn run(flags: Flags) -> Result<()> {
    let report = run_here(measure(&flags))?;
    write_json(&flags.out, &report)?;
    println!("{}\n{}", report.text(), flags.out.display());
    Ok(())
}

async fn measure(flags: &Flags) -> Result<Report> {
    let load = Load { pods: 5, fit: 6, service_s: 2.0, share: 0.7, burst_every_s: 12.0, seconds: flags.seconds };
    // Twice what a request takes.
    let most = Duration::from_secs_f64(2.0 * load.service_s);
    let mut report = Report { load, policy: flags.policy.clone(), most, arms: Vec::new() };
    let requests = arrivals(load, flags.seed);
    for gateways in [1, 2, 4] {
        let ways: &[Meet] = if gateways == 1 { &[Meet::Never] } else { &[Meet::Never, Meet::Redis, Meet::Away] };
        for meet in ways {
            let arm = Arm { gateways, meet: *meet };
            eprintln!("{} …", arm.name());
            report.arms.push((arm, arm.run(load, &requests, &flags.policy, most).await?));
        }
    }
    Ok(report)
}
