//! `slo-profile build`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow, bail};
use clap::Args;
use slo_profile::build::aibrix::AibrixObjective;
use slo_profile::build::{Labels, ProfileText, aibrix, build};
use slo_profile::measurement::Measurements;

use super::files::write;
use super::options::ObjectiveOptions;

#[derive(Args)]
pub(crate) struct Options {
    /// The measurements.
    measurements: PathBuf,
    #[command(flatten)]
    objective: ObjectiveOptions,
    /// Rule that finds the rates.
    #[arg(long, value_enum, default_value_t = Rule::Ours)]
    rule: Rule,
    /// Requests per second at least; AIBrix's rule alone.
    #[arg(long)]
    tput: Option<f64>,
    /// Output tokens per second at least; AIBrix's rule alone.
    #[arg(long)]
    tt: Option<f64>,
    /// Price per GPU and unit of time.
    #[arg(long, default_value_t = 1.0)]
    cost: f64,
    /// Time at which it was made, Unix seconds; now if not given.
    #[arg(long)]
    created: Option<f64>,
    /// Build although some cells have no result; they count as without data.
    #[arg(long)]
    partial: bool,
    /// File to write it to; standard output if not given.
    #[arg(long, short)]
    out: Option<PathBuf>,
}

/// Rule by which a rate is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Rule {
    /// From all points of a cell together; see the documentation.
    Ours,
    /// As AIBrix's `gen_profile`, figure by figure, from its benchmark's rows.
    Aibrix,
}

// === impl Options ===

impl Options {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let measurements = Measurements::load(&self.measurements)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64().round());
        let labels = Labels { cost: self.cost, created_unix_s: self.created.unwrap_or(now) };
        let text = match self.rule {
            Rule::Ours => self.ours(&measurements, &labels)?,
            Rule::Aibrix => self.aibrix(&measurements, &labels)?,
        };
        write(self.out.as_deref(), &text)?;
        Ok(ExitCode::SUCCESS)
    }

    fn ours(&self, measurements: &Measurements, labels: &Labels) -> Result<String> {
        if self.tput.is_some() || self.tt.is_some() {
            bail!("--tput and --tt: known to AIBrix's rule alone");
        }
        let built = build(measurements, self.objective.objective()?);
        built.remarks().iter().for_each(|remark| eprintln!("remark: {remark}"));
        if built.is_partial() && !self.partial {
            bail!("some cells have no result; measure them, or build with --partial");
        }
        Ok(ProfileText::new(&built, &measurements.header, labels).to_text())
    }

    fn aibrix(&self, measurements: &Measurements, labels: &Labels) -> Result<String> {
        let slo = self.objective.slo();
        if slo.e2e_per_output_token.is_some() {
            bail!("--e2e-per-output-token: not known to AIBrix's rule");
        }
        let seconds = |time: Option<std::time::Duration>| time.map(|time| time.as_secs_f64());
        let objective = AibrixObjective {
            percentile: (self.objective.percentile > 0).then_some(self.objective.percentile),
            tput_per_s: self.tput,
            tt_per_s: self.tt,
            e2e_s: seconds(slo.e2e),
            ttft_s: seconds(slo.ttft),
            tpat_s: seconds(slo.e2e_per_token),
            tpot_s: seconds(slo.tpot),
        };
        let profile = aibrix::build(measurements, &objective).map_err(|reason| anyhow!(reason))?;
        let deployment = measurements.header.deployment.rsplit('/').next().unwrap_or_default();
        Ok(ProfileText::aibrix(&profile, deployment, labels).to_python_line())
    }
}
