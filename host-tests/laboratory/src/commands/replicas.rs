//! `make bench-replicas`: what several gateways before the same pods do to them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use laboratory::bench::replicas::{Arm, Load, Meet, Report, arrivals};
use laboratory::report::write_json;

use super::run_here;

/// Gateways before the same pods, as many as are named and in each way to know of each other, under the same load.
#[derive(Args)]
pub(crate) struct Flags {
    /// Numbers of gateways.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4")]
    gateways: Vec<usize>,
    /// Seconds in which requests come in each arm.
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Pods behind the gateways.
    #[arg(long, default_value_t = 5)]
    pods: usize,
    /// Requests that a pod sustains at once.
    #[arg(long, default_value_t = 6)]
    fit: u32,
    /// Time that a request takes, in seconds.
    #[arg(long, default_value_t = 2.0)]
    service: f64,
    /// Share of what the pods sustain that comes, beside the bursts.
    #[arg(long, default_value_t = 0.7)]
    share: f64,
    /// Seconds from one burst to the next; each is as much as all pods sustain at once.
    #[arg(long, default_value_t = 12.0)]
    burst: f64,
    /// The objective: so many times what a request takes.
    #[arg(long, default_value_t = 2.0)]
    stretch: f64,
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
    let Flags { pods, fit, service, share, burst, seconds, .. } = *flags;
    let load = Load { pods, fit, service_s: service, share, burst_every_s: burst, seconds };
    let most = Duration::from_secs_f64(service * flags.stretch);
    let mut report = Report { load, policy: flags.policy.clone(), most, arms: Vec::new() };
    let requests = arrivals(load, flags.seed);
    for gateways in &flags.gateways {
        let ways = if *gateways == 1 { vec![Meet::Never] } else { vec![Meet::Never, Meet::Redis, Meet::Away] };
        for meet in ways {
            let arm = Arm { gateways: *gateways, meet };
            eprintln!("{} …", arm.name());
            report.arms.push((arm, arm.run(load, &requests, &flags.policy, most).await?));
        }
    }
    Ok(report)
}
