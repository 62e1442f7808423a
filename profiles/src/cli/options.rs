//! Options that several commands share.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use slo_profile::objective::Objective;
use slo_router::json::duration;
use slo_router::scheduling::slo::Slo;

/// Objectives that rates have to meet: all that are given.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ObjectiveOptions {
    /// Time to first token, such as 1s.
    #[arg(long, value_parser = time, help_heading = "Objective")]
    ttft: Option<Duration>,
    /// Time per output token after the first, such as 50ms.
    #[arg(long, value_parser = time, help_heading = "Objective")]
    tpot: Option<Duration>,
    /// End to end.
    #[arg(long, value_parser = time, help_heading = "Objective")]
    e2e: Option<Duration>,
    /// End to end per output token.
    #[arg(long, value_parser = time, help_heading = "Objective")]
    e2e_per_output_token: Option<Duration>,
    /// Constant that `--e2e-per-output-token` allows on top.
    #[arg(long, value_parser = time, requires = "e2e_per_output_token", help_heading = "Objective")]
    e2e_base: Option<Duration>,
    /// End to end per token of input and output (AIBrix's TPAT).
    #[arg(long, value_parser = time, help_heading = "Objective")]
    tpat: Option<Duration>,
    /// Of how many requests in a hundred; 0, the mean, is known to AIBrix's rule alone.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u8).range(0..=99), help_heading = "Objective")]
    pub(crate) percentile: u8,
}

// === impl ObjectiveOptions ===

impl ObjectiveOptions {
    /// The objective; refuses none at all.
    pub(crate) fn objective(&self) -> Result<Objective> {
        let slo = self.slo();
        if slo.is_empty() {
            bail!("give an objective: --ttft, --tpot, --e2e, --e2e-per-output-token or --tpat");
        }
        if self.percentile == 0 {
            bail!("--percentile: 1 to 99; the mean (0) is known to AIBrix's rule alone");
        }
        Ok(Objective { slo, percentile: self.percentile })
    }

    pub(crate) fn slo(&self) -> Slo {
        Slo {
            ttft: self.ttft,
            tpot: self.tpot,
            e2e: self.e2e,
            e2e_per_output_token: self.e2e_per_output_token,
            e2e_base: self.e2e_base,
            e2e_per_token: self.tpat,
        }
    }
}

/// As the filter's configuration spells times ("50ms", "1s"); a bare number is seconds, as AIBrix's tools have it.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let seconds = || Duration::try_from_secs_f64(text.parse().ok()?).ok();
    let found = seconds().or_else(|| duration::parse(text)).filter(|time| !time.is_zero());
    found.ok_or_else(|| "expected a time above 0 such as 50ms, 1.5s or 2m".to_owned())
}
