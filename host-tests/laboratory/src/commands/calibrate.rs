//! Holds the engine against benchmark rows and prints the ratios.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use laboratory::calibration::{BenchmarkPoint, Outcome, Ratios};
use laboratory::engine::{Batching, EngineSpec, Gpu, Model};

/// Compare the engine with benchmark rows (JSON lines of AIBrix's benchmark tool): engine / measured, as median (10th to 90th percentile).
#[derive(Args)]
pub(crate) struct Flags {
    /// Rows of a GPU: GPU=FILE, such as a100=simulator-llama2-7b-a100.jsonl. Repeat it for more.
    #[arg(required = true, value_name = "ROWS")]
    rows: Vec<Rows>,
    /// The model that was served.
    #[arg(long, default_value = "7b-fp16-mha")]
    model: Model,
    /// Tokens that an iteration computes at most: the rows' server is matched best by 512.
    #[arg(long, default_value_t = 512)]
    token_budget: u32,
}

#[derive(Clone)]
struct Rows {
    gpu: Gpu,
    file: PathBuf,
}

/// Some points, and what they have in common.
struct Group {
    name: &'static str,
    holds: fn(&BenchmarkPoint) -> bool,
}

/// A server keeps up if it completes at least this share of what arrives.
const STABLE_SHARE: f64 = 0.9;

const GROUPS: [Group; 5] = [
    Group { name: "all points", holds: |_| true },
    Group { name: "keeping up", holds: keeps_up },
    Group { name: "overloaded", holds: |point| !keeps_up(point) },
    Group {
        name: "overloaded, prompts of 16 tokens and more per output token: prefill",
        holds: |point| !keeps_up(point) && point.shape.input_tokens >= 16 * point.shape.output_tokens,
    },
    Group {
        name: "overloaded, no more prompt than output: decoding",
        holds: |point| !keeps_up(point) && point.shape.input_tokens <= point.shape.output_tokens,
    },
];

pub(super) fn run(flags: Flags) -> Result<()> {
    for rows in &flags.rows {
        let text = std::fs::read_to_string(&rows.file).with_context(|| rows.file.display().to_string())?;
        let points = BenchmarkPoint::read(&text).with_context(|| rows.file.display().to_string())?;
        let spec = EngineSpec::new(rows.gpu, flags.model).context("the model does not fit the GPU")?;
        let batching = Batching { token_budget: flags.token_budget, ..Batching::default_of(rows.gpu) };
        let spec = spec.batching(batching);
        let ours: Vec<_> = points.iter().map(|point| Outcome::of_engine(spec, point)).collect();
        println!("{}, {}: engine / measured", rows.gpu.name(), flags.model.name());
        GROUPS.iter().for_each(|group| print_group(group, &points, &ours));
    }
    Ok(())
}

fn keeps_up(point: &BenchmarkPoint) -> bool {
    point.measured.throughput_per_s >= STABLE_SHARE * point.rate_per_s
}

fn throughput_ratio(point: &BenchmarkPoint, ours: &Outcome) -> f64 {
    ours.throughput_per_s / point.measured.throughput_per_s
}

fn latency_ratio(point: &BenchmarkPoint, ours: &Outcome) -> f64 {
    ours.median_e2e.as_secs_f64() / point.measured.median_e2e.as_secs_f64()
}

fn print_group(group: &Group, points: &[BenchmarkPoint], ours: &[Outcome]) {
    let ratios = |ratio: fn(&BenchmarkPoint, &Outcome) -> f64| {
        let of_group = points.iter().zip(ours).filter(|(point, _)| (group.holds)(point));
        Ratios::of(of_group.map(|(point, ours)| ratio(point, ours)).collect())
    };
    if let (Some(throughput), Some(latency)) = (ratios(throughput_ratio), ratios(latency_ratio)) {
        println!("  {} ({}): throughput {throughput}, median E2E {latency}", group.name, throughput.count);
    }
}

// === impl Rows ===

impl std::str::FromStr for Rows {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (gpu, file) = text.split_once('=').ok_or_else(|| format!("{text:?} is not GPU=FILE"))?;
        Ok(Self { gpu: gpu.parse()?, file: file.into() })
    }
}
