//! Measures the profiles of simulated deployments and writes one file for each.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use slo_router_pods::engine::{EngineSpec, Gpu, Model};
use slo_router_pods::measure::{Grid, Objective, ProfileDocument};

/// Measure the profiles of simulated deployments, one per GPU type, in virtual time.
#[derive(Parser)]
struct Options {
    /// Folder for the files, one per GPU: a10.json and so on.
    #[arg(long, default_value = "profiles/demo")]
    out: PathBuf,
    /// GPU types.
    #[arg(long, value_delimiter = ',', default_value = "a10,l20")]
    gpus: Vec<Gpu>,
    /// The model that they serve.
    #[arg(long, default_value = "7b-fp16-mha")]
    model: Model,
    /// End-to-end latency per output token that the rates must meet, milliseconds.
    #[arg(long, default_value_t = 50)]
    slo_ms: u64,
    /// Of how many requests in a hundred.
    #[arg(long, default_value_t = 99, value_parser = clap::value_parser!(u8).range(1..=100))]
    percentile: u8,
    /// The files' time of creation, Unix seconds: an argument, so that the same engine gives the same files.
    #[arg(long)]
    created: u64,
}

fn main() -> Result<()> {
    let options = Options::parse();
    std::fs::create_dir_all(&options.out).with_context(|| format!("cannot create {}", options.out.display()))?;
    let grid = Grid::standard();
    let progress = ProgressBar::new((grid.cells() * options.gpus.len()) as u64)
        .with_style(ProgressStyle::with_template("measuring {wide_bar} {pos}/{len} shapes, {eta} left")?);
    let documents: Vec<_> = std::thread::scope(|scope| {
        let measure = |gpu| {
            let (options, grid, progress) = (&options, grid.clone(), &progress);
            scope.spawn(move || measure(gpu, options, grid, || progress.inc(1)))
        };
        let threads: Vec<_> = options.gpus.iter().map(|gpu| measure(*gpu)).collect();
        threads.into_iter().map(|thread| thread.join().expect("measuring does not panic")).collect::<Result<_>>()
    })?;
    progress.finish_and_clear();
    for (gpu, document) in options.gpus.iter().zip(documents) {
        write(&options.out.join(format!("{}.json", gpu.name())), &document)?;
    }
    Ok(())
}

fn measure(gpu: Gpu, options: &Options, grid: Grid, progress: impl Fn()) -> Result<ProfileDocument> {
    let spec = EngineSpec::new(gpu, options.model)
        .with_context(|| format!("{} does not fit a {}", options.model.name(), gpu.name()))?;
    let objective =
        Objective { e2e_per_output_token: Duration::from_millis(options.slo_ms), percentile: options.percentile };
    Ok(ProfileDocument {
        deployment: format!("llama-{}", gpu.name()),
        cost: relative_cost(gpu),
        created_unix_s: options.created,
        objective,
        cells: grid.measure(spec, objective, progress),
        grid,
    })
}

/// A price relative to the A10's: an assumption, and of weight only where the cheapest deployment is preferred.
const fn relative_cost(gpu: Gpu) -> f64 {
    match gpu {
        Gpu::A10 => 1.0,
        Gpu::L20 => 1.5,
        Gpu::A100 => 4.0,
        Gpu::H100 => 8.0,
    }
}

/// Writes the file and prints the load of one request per shape: 1.00 is a whole pod, - is infeasible.
fn write(file: &Path, document: &ProfileDocument) -> Result<()> {
    std::fs::write(file, document.to_json()).with_context(|| format!("cannot write {}", file.display()))?;
    println!("{}: load of one request", file.display());
    let head: String = document.grid.input_tokens.iter().map(|input| format!("{input:>7}")).collect();
    println!("  out\\in{head}");
    for (output, row) in document.grid.output_tokens.iter().zip(&document.cells) {
        let loads: String = row
            .iter()
            .map(|cell| cell.load().map_or_else(|| format!("{:>7}", "-"), |load| format!("{load:>7.3}")))
            .collect();
        println!("  {output:>6}{loads}");
    }
    Ok(())
}
