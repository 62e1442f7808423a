//! `make bench-looks`: what it costs an Envoy to look at the other gateways.

use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bench::looks::{Outcome, Scene, Setup, Turn};
use clap::Parser;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};

/// CPU time of a real Envoy for a look at the digests of other gateways.
#[derive(Parser)]
struct Flags {
    /// Gateways × pods, as in 10x100.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "3x100,10x100,30x100,100x100,10x1000,30x1000,100x1000,100x10000"
    )]
    scenes: Vec<Wanted>,
    /// Turns of each kind in each scene.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of a turn, in seconds.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Time between two looks, in milliseconds.
    #[arg(long, default_value_t = 100)]
    interval_ms: u64,
    /// Requests under way at once in the turns that have some.
    #[arg(long, default_value_t = 4)]
    concurrency: usize,
    /// The report's file.
    #[arg(long, default_value = "target/bench/looks.json")]
    out: PathBuf,
}

#[derive(Clone)]
struct Wanted(Scene);

impl FromStr for Wanted {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (gateways, pods) = text.split_once('x').context("expected GATEWAYSxPODS, as in 10x100")?;
        Ok(Self(Scene { gateways: gateways.parse()?, pods: pods.parse()? }))
    }
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    ensure!(flags.rounds > 0 && flags.concurrency > 0, "each number must be at least 1");
    ensure!((0.1..=600.0).contains(&flags.seconds), "--seconds: {} is not within 0.1 and 600", flags.seconds);
    let setup = Setup {
        rounds: flags.rounds,
        turn: Duration::from_secs_f64(flags.seconds),
        interval: Duration::from_millis(flags.interval_ms),
        concurrency: flags.concurrency,
    };
    // One thread, this one: Envoy ends with the thread that started it. Pods and store have threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut outcomes = Vec::new();
    for Wanted(scene) in &flags.scenes {
        eprintln!("{} gateways, {} pods …", scene.gateways, scene.pods);
        outcomes.push(runtime.block_on(scene.measure(setup))?);
    }
    if let Some(folder) = flags.out.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&flags.out, serde_json::to_vec_pretty(&(setup, &outcomes))?)?;
    println!("{}\n{}", table(&outcomes), flags.out.display());
    Ok(())
}

fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "gateways × pods",
        "a look reads",
        "CPU µs per look",
        "looks/s",
        "share of a core",
        "CPU of a request",
    ]);
    for Outcome { scene, look_bytes, turns } in outcomes {
        let cells = [
            format!("{} × {}", scene.gateways, scene.pods),
            format!("{:.1} KB", *look_bytes as f64 / 1e3),
            spread(turns, |turn| turn.cpu_us_per_look, 0),
            spread(turns, |turn| turn.looks_per_s, 1),
            spread(turns, |turn| 100.0 * turn.cpu_us_per_look * turn.looks_per_s / 1e6, 1) + " %",
            spread(turns, |turn| turn.cpu_of_requests, 2),
        ];
        table.add_row(cells.map(|cell| Cell::new(cell).set_alignment(CellAlignment::Right)));
    }
    table
}

/// The median of the turns, and their extremes.
fn spread(turns: &[Turn], of: impl Fn(&Turn) -> f64, digits: usize) -> String {
    let mut values: Vec<f64> = turns.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    match values.as_slice() {
        [] => String::new(),
        all => format!("{:.digits$} ({:.digits$} to {:.digits$})", all[all.len() / 2], all[0], all[all.len() - 1]),
    }
}
