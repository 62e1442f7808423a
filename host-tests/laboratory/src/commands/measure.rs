//! Measures the profiles of simulated deployments and writes them as one document.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use laboratory::engine::{Behaviour, EngineSpec, Gpu, Model};
use laboratory::kinds::Kind;
use laboratory::measure::{Grid, Objective, ProfileDocument};

/// A deployment that is measured.
struct Deployment {
    /// Without its namespace.
    name: String,
    cost: f64,
    spec: EngineSpec,
}

/// Measure the profiles of simulated deployments, one per GPU type or kind of server, in virtual time.
#[derive(Args)]
pub(crate) struct Flags {
    /// The document: `{"profiles": [{"deployment": "default/llama-a10", "profile": …}, …]}`.
    #[arg(long, default_value = "profiles/demo.json")]
    out: PathBuf,
    /// GPU types.
    #[arg(long, value_delimiter = ',', default_value = "a10,l20")]
    gpus: Vec<Gpu>,
    /// Kinds of servers, in place of GPU types.
    #[arg(long, value_delimiter = ',', conflicts_with = "gpus")]
    kinds: Vec<Kind>,
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

pub(super) fn run(flags: Flags) -> Result<()> {
    let grid = Grid::standard();
    let deployments = flags.deployments()?;
    let progress = ProgressBar::new((grid.cells() * deployments.len()) as u64)
        .with_style(ProgressStyle::with_template("measuring {wide_bar} {pos}/{len} shapes, {eta} left")?);
    let documents: Vec<_> = std::thread::scope(|scope| {
        let measure = |deployment| {
            let (flags, grid, progress) = (&flags, grid.clone(), &progress);
            scope.spawn(move || measure(deployment, flags, grid, || progress.inc(1)))
        };
        let threads: Vec<_> = deployments.into_iter().map(measure).collect();
        threads.into_iter().map(|thread| thread.join().expect("measuring does not panic")).collect()
    });
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
    std::fs::write(&flags.out, document).with_context(|| format!("cannot write {}", flags.out.display()))
}

fn measure(deployment: Deployment, flags: &Flags, grid: Grid, progress: impl Fn()) -> ProfileDocument {
    let objective =
        Objective { e2e_per_output_token: Duration::from_millis(flags.slo_ms), percentile: flags.percentile };
    ProfileDocument {
        deployment: deployment.name,
        cost: deployment.cost,
        created_unix_s: flags.created,
        objective,
        cells: grid.measure(deployment.spec, objective, progress),
        grid,
    }
}

// === impl Flags ===

impl Flags {
    fn deployments(&self) -> Result<Vec<Deployment>> {
        let of_kind = |kind: &Kind| Deployment { name: kind.name().to_owned(), cost: 1.0, spec: kind.spec() };
        let of_gpu = |gpu: &Gpu| {
            let spec = EngineSpec::new(*gpu, self.model)
                .with_context(|| format!("{} does not fit a {}", self.model.name(), gpu.name()))?
                .behaving(if self.non_linear { Behaviour::NON_LINEAR } else { Behaviour::PLAIN });
            Ok(Deployment { name: format!("llama-{}", gpu.name()), cost: relative_cost(*gpu), spec })
        };
        if self.kinds.is_empty() {
            return self.gpus.iter().map(of_gpu).collect();
        }
        Ok(self.kinds.iter().map(of_kind).collect())
    }
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
