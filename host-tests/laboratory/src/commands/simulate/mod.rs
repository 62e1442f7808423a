//! `make simulate`: every policy over a range of arrival rates in virtual time, and who kept the SLO.

mod flags;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use laboratory::simulation::checks::Check;
use laboratory::simulation::report::{Report, Setup};
use laboratory::simulation::scenario;
use laboratory::simulation::shipped::Filter;
use laboratory::simulation::sweep::Sweep;

pub(crate) use self::flags::Flags;

pub(super) fn run(flags: &Flags) -> Result<()> {
    if flags.list_scenarios {
        scenario::all().iter().for_each(|scenario| println!("{}", scenario.name));
        return Ok(());
    }
    let sweep = sweep(flags)?;
    let progress = ProgressBar::new(sweep.runs() as u64)
        .with_style(ProgressStyle::with_template("simulating {wide_bar} {pos}/{len} runs, {eta} left")?);
    progress.tick();
    let curves = sweep.run(|| progress.inc(1))?;
    progress.finish_and_clear();
    let mut report = Report::new(setup(flags, &sweep), curves, sweep.bound());
    if let Some(full_load_per_s) = report.full_load_per_s().filter(|_| flags.checks) {
        for (check, contender) in
            Check::ALL.into_iter().flat_map(|check| flags.policies.iter().map(move |of| (check, *of)))
        {
            report.add_check(check, contender, full_load_per_s, check.run(&sweep, contender, full_load_per_s)?);
        }
    }
    report.write(&flags.out)?;
    println!("{}", report.table());
    let file = |kind: &str| flags.out.join(sweep.scenario.name).with_extension(kind).display().to_string();
    println!("SLO: {}. Figures and plot: {}, {}", sweep.scenario.objective, file("json"), file("svg"));
    Ok(())
}

fn sweep(flags: &Flags) -> Result<Sweep> {
    let scenario = flags.scenario()?;
    let profiles = flags.profiles.document(&scenario).context("--profiles")?;
    let filter = Filter::new(&scenario, &profiles, &flags.filter).context("--filter or --profiles")?;
    Ok(Sweep {
        rates_per_s: flags.rates_ascending(&scenario),
        scenario,
        contenders: flags.policies.clone(),
        seeds: flags.seeds(),
        warm_up: flags.warm_up(),
        measured: flags.measured(),
        workers: flags.workers.into(),
        filter,
    })
}

fn setup(flags: &Flags, sweep: &Sweep) -> Setup {
    Setup {
        scenario: sweep.scenario.name,
        traffic: sweep.scenario.traffic.clone(),
        slo: sweep.scenario.objective.clone(),
        measured_s: sweep.measured.as_secs_f64(),
        warm_up_s: sweep.warm_up.as_secs_f64(),
        seeds: sweep.seeds.clone(),
        workers: sweep.workers,
        cluster: sweep.scenario.cluster.describe(),
        profiles: flags.profiles.to_string(),
        reference: flags.reference.to_string(),
        filter: flags.filter.clone().into(),
    }
}
