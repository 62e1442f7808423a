//! `make gauntlet`: that the default policy never loses, cell by cell.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use laboratory::simulation::gauntlet::cells::{self, Cell};
use laboratory::simulation::gauntlet::known::KnownBreaks;
use laboratory::simulation::gauntlet::store::{OfCell, Store};
use laboratory::simulation::gauntlet::trial::{self, Effort};
use laboratory::simulation::gauntlet::{law, verdict};
use rayon::prelude::*;
use regex::Regex;

/// Runs the policies over engines, clusters, workers and loads, and judges each cell by the law of the gauntlet. Fails where a
/// law is broken that is not known to be, or holds where the list says that it is broken.
#[derive(Args)]
pub(crate) struct Flags {
    /// The short gauntlet: a part of the cells.
    #[arg(long)]
    short: bool,
    /// The cells whose names match: SCENARIO@LOAD/wWORKERS/BELIEF.
    #[arg(long, default_value = "")]
    cells: Regex,
    /// Prints the cells' names and does nothing else.
    #[arg(long)]
    list: bool,
    /// Runs of each cell and policy.
    #[arg(long, default_value_t = Effort::STANDARD.runs)]
    runs: u64,
    /// Virtual minutes of each run in which the requests arrive that count.
    #[arg(long, default_value_t = Effort::STANDARD.measured.as_secs_f64() / 60.0)]
    minutes: f64,
    /// Folder of the results; what is there of the same program is not run again.
    #[arg(long, default_value = "target/gauntlet")]
    out: PathBuf,
}

pub(super) fn run(flags: &Flags) -> Result<ExitCode> {
    let cells: Vec<Cell> = cells::all()?.into_iter().filter(|cell| flags.takes(cell)).collect();
    if flags.list {
        cells.iter().for_each(|cell| println!("{cell}"));
        return Ok(ExitCode::SUCCESS);
    }
    let known = KnownBreaks::committed().map_err(|error| anyhow!(error))?;
    let (store, effort) = (Store::open(&flags.out)?, flags.effort()?);
    let results = run_all(&cells, &store, effort)?;
    println!("{}\n", verdict::table(&results));
    print!("{}", verdict::list(&results, &known));
    let surprises = verdict::surprises(&results, &known);
    println!("{} cells, {surprises} laws not as they should be; figures: {}", results.len(), flags.out.display());
    Ok(if surprises == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// In the order of the cells.
fn run_all(cells: &[Cell], store: &Store, effort: Effort) -> Result<Vec<OfCell>> {
    let bars = MultiProgress::new();
    let style = |template| ProgressStyle::with_template(template);
    let all =
        bars.add(ProgressBar::new(cells.len() as u64).with_style(style("cells {wide_bar} {pos}/{len}, {eta} left")?));
    let runs = bars.add(ProgressBar::new_spinner().with_style(style("{pos} runs in {elapsed}")?));
    let one = |cell: &Cell| {
        let name = cell.to_string();
        let result = match store.read(&name, effort) {
            Some(known) => Ok(known),
            None => {
                let rate_per_s = cell.load * store.crossing_per_s(&cell.scenario)?;
                let of_runs = trial::run(cell, effort, rate_per_s, || runs.inc(1))?;
                store.keep(name, rate_per_s, effort, law::judge(cell, &of_runs), of_runs)
            }
        };
        all.inc(1);
        result
    };
    let results = cells.par_iter().with_max_len(1).map(one).collect();
    bars.clear()?;
    results
}

// === impl Flags ===

impl Flags {
    fn takes(&self, cell: &Cell) -> bool {
        (cell.is_short || !self.short) && self.cells.is_match(&cell.to_string())
    }

    fn effort(&self) -> Result<Effort> {
        let measured = Duration::try_from_secs_f64(60.0 * self.minutes).context("--minutes")?;
        Ok(Effort { runs: self.runs.max(1), measured, ..Effort::STANDARD })
    }
}
