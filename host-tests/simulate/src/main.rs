//! `make simulate`: every policy over a range of arrival rates in virtual time, and who kept the SLO.

mod flags;

use std::fs;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use evaluation::cluster::{GPUS, MODEL};
use indicatif::{ProgressBar, ProgressStyle};
use simulate::report::{Report, Setup};
use simulate::shipped::Filter;
use simulate::sweep::Sweep;
use slo_router_pods::engine::Gpu;

use self::flags::Flags;

fn main() -> Result<()> {
    let flags = Flags::parse();
    let sweep = sweep(&flags)?;
    let progress = ProgressBar::new(sweep.runs() as u64)
        .with_style(ProgressStyle::with_template("simulating {wide_bar} {pos}/{len} runs, {eta} left")?);
    progress.tick();
    let curves = sweep.run(|| progress.inc(1))?;
    progress.finish_and_clear();
    let report = Report::new(setup(&flags, &sweep), curves);
    report.write(&flags.out)?;
    println!("{}", report.table());
    let file = |name: &str| flags.out.join(name).display().to_string();
    println!("SLO: {}. Figures and plot: {}, {}", flags.slo.describe(), file("simulate.json"), file("simulate.svg"));
    Ok(())
}

fn sweep(flags: &Flags) -> Result<Sweep> {
    let profiles =
        fs::read(&flags.profiles).with_context(|| format!("--profiles: cannot read {}", flags.profiles.display()))?;
    let filter = Filter::new(&GPUS, &profiles, &flags.filter)
        .with_context(|| format!("--filter or --profiles {}", flags.profiles.display()))?;
    Ok(Sweep {
        contenders: flags.policies.clone(),
        rates_per_s: flags.rates_ascending(),
        seeds: flags.seeds(),
        warm_up: flags.warm_up(),
        measured: flags.measured(),
        slo: flags.slo.value(),
        workers: flags.workers.into(),
        filter,
    })
}

fn setup(flags: &Flags, sweep: &Sweep) -> Setup {
    Setup {
        slo: flags.slo.describe().to_owned(),
        measured_s: sweep.measured.as_secs_f64(),
        warm_up_s: sweep.warm_up.as_secs_f64(),
        seeds: sweep.seeds.clone(),
        workers: sweep.workers,
        pods: GPUS.map(Gpu::name).to_vec(),
        model: MODEL.name(),
        profiles: flags.profiles.display().to_string(),
        filter: flags.filter.clone().into(),
    }
}
