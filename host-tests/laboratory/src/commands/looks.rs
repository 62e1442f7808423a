//! `make bench-looks`: what it costs an Envoy to look at the other gateways.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use laboratory::bench::looks::{Outcome, Scene, Setup, Turn};
use laboratory::percentiles::Spread;
use laboratory::report::{table, write_json};

use super::run_here;

const HEADS: [&str; 6] =
    ["gateways × pods", "a look reads", "CPU µs per look", "looks/s", "share of a core", "CPU of a request"];

/// Gateways and pods of each scene.
const SCENES: [(usize, usize); 8] =
    [(3, 100), (10, 100), (30, 100), (100, 100), (10, 1_000), (30, 1_000), (100, 1_000), (100, 10_000)];

/// CPU time of a real Envoy for a look at the digests of other gateways, ten times a second.
#[derive(Args)]
pub(crate) struct Flags {
    /// Turns of each kind in each scene.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of a turn, in seconds.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Requests under way at once in the turns that have some.
    #[arg(long, default_value_t = 4)]
    concurrency: usize,
    /// The report's file.
    #[arg(long, default_value = "target/bench/looks.json")]
    out: PathBuf,
}

pub(super) fn run(flags: Flags) -> Result<()> {
    ensure!(flags.rounds > 0 && flags.concurrency > 0, "each number must be at least 1");
    ensure!((0.1..=600.0).contains(&flags.seconds), "--seconds: {} is not within 0.1 and 600", flags.seconds);
    let setup = Setup {
        rounds: flags.rounds,
        turn: Duration::from_secs_f64(flags.seconds),
        interval: Duration::from_millis(100),
        concurrency: flags.concurrency,
    };
    let mut outcomes = Vec::new();
    for (gateways, pods) in SCENES {
        eprintln!("{gateways} gateways, {pods} pods …");
        outcomes.push(run_here(Scene { gateways, pods }.measure(setup))?);
    }
    write_json(&flags.out, &(setup, &outcomes))?;
    println!("{}\n{}", table(&HEADS, 1, outcomes.iter().map(row)), flags.out.display());
    Ok(())
}

fn row(Outcome { scene, look_bytes, turns }: &Outcome) -> [String; 6] {
    let spread = |of: fn(&Turn) -> f64, decimals| Spread::of(turns.iter().map(of)).text(decimals);
    [
        format!("{} × {}", scene.gateways, scene.pods),
        format!("{:.1} KB", *look_bytes as f64 / 1e3),
        spread(|turn| turn.cpu_us_per_look, 0),
        spread(|turn| turn.looks_per_s, 1),
        spread(|turn| 100.0 * turn.cpu_us_per_look * turn.looks_per_s / 1e6, 1) + " %",
        spread(|turn| turn.cpu_of_requests, 2),
    ]
}
