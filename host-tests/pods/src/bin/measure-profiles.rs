//! Measures the profiles of simulated deployments and writes them as one document.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use slo_router_pods::engine::{Behaviour, EngineSpec, Gpu, Model};
use slo_router_pods::measure::{Grid, Objective, ProfileDocument};

/// Measure the profiles of simulated deployments, one per GPU type, in virtual time.
#[derive(Parser)]
struct Options {
    /// The document: `{"profiles": [{"deployment": "default/llama-a10", "profile": …}, …]}`.
    #[arg(long, default_value = "profiles/demo.json")]
    out: PathBuf,
    /// GPU types.
    #[arg(long, value_delimiter = ',', default_value = "a10,l20")]
    gpus: Vec<Gpu>,
    /// The model that they serve.
    #[arg(long, default_value = "7b-fp16-mha")]
    model: Model,
    /// Serve with speculative decoding, prefix caching, jitter and hiccups.
    #[arg(long)]
    non_linear: bool,
    /// End-to-end latency per output token that the rates must meet, milliseconds.
    #[arg(long, default_value_t = 50)]
    slo_ms: u64,
    /// Of how many requests in a hundred.
    #[arg(long, default_value_t = 99, value_parser = clap::value_parser!(u8).range(1..=100))]
    percentile: u8,
    /// Its time of creation, Unix seconds: an argument, so that the same engine gives the same file.
    #[arg(long)]
    created: u64,
}

fn main() -> Result<()> {
    let options = Options::parse();
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
    documents.iter().for_each(print_loads);
    let entries = documents.iter().map(|document| {
        format!(
            "{{\"deployment\": \"default/{}\", \"profile\": {}}}",
            document.deployment,
            document.to_json().trim_end()
        )
    });
    let document = format!("{{\"profiles\": [\n{}\n]}}\n", entries.collect::<Vec<_>>().join(",\n"));
    std::fs::write(&options.out, document).with_context(|| format!("cannot write {}", options.out.display()))
}

fn measure(gpu: Gpu, options: &Options, grid: Grid, progress: impl Fn()) -> Result<ProfileDocument> {
    let spec = EngineSpec::new(gpu, options.model)
        .with_context(|| format!("{} does not fit a {}", options.model.name(), gpu.name()))?
        .behaving(if options.non_linear { Behaviour::NON_LINEAR } else { Behaviour::PLAIN });
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
        Gpu::A40 => 2.0,
        Gpu::A100 => 4.0,
        Gpu::H100 => 8.0,
    }
}

/// Prints the load of one request per shape: 1.00 is a whole pod, - is infeasible.
fn print_loads(document: &ProfileDocument) {
    println!("{}: load of one request", document.deployment);
    let head: String = document.grid.input_tokens.iter().map(|input| format!("{input:>7}")).collect();
    println!("  out\\in{head}");
    for (output, row) in document.grid.output_tokens.iter().zip(&document.cells) {
        let loads: String = row
            .iter()
            .map(|cell| cell.load().map_or_else(|| format!("{:>7}", "-"), |load| format!("{load:>7.3}")))
            .collect();
        println!("  {output:>6}{loads}");
    }
}
