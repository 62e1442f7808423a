//! `make simulate-replicas`: how wrong gateways are about each other, and what it costs to know, as they become many.

use anyhow::{Context as _, Result};
use clap::Args;
use laboratory::bench::replicas::{Model, Scene, cost};
use laboratory::report::table;

const HEADS: [&str; 10] = [
    "gateways\n× pods",
    "every\ns",
    "view wrong\nby",
    "pods' time\noverfull",
    "excess",
    "most",
    "idle while\nothers wait",
    "digest\nbytes",
    "read by each\nMB/s",
    "write / read\nµs per look",
];

/// Intervals between two looks, in seconds.
const EVERY_S: [f64; 2] = [0.1, 1.0];

/// Gateways before the same pods in virtual time. A pod sustains six requests at once, which take two seconds each, and 95 %
/// of what all pods sustain comes.
#[derive(Args)]
pub(crate) struct Flags {
    /// Gateways and pods, as `GATEWAYSxPODS`.
    #[arg(long, value_delimiter = ',', default_value = "1x100,2x100,4x100,10x100,10x1000,30x3000,100x1000,100x10000")]
    sizes: Vec<String>,
    /// Length of each run, in seconds of its own; the first quarter does not count.
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
}

pub(super) fn run(flags: Flags) -> Result<()> {
    let mut rows = Vec::new();
    for size in &flags.sizes {
        let (gateways, pods) = size.split_once('x').with_context(|| format!("--sizes: {size} is no GATEWAYSxPODS"))?;
        let (gateways, pods, seconds) = (gateways.parse()?, pods.parse()?, flags.seconds);
        for interval_s in EVERY_S {
            rows.push(row(Scene { gateways, pods, fit: 6, service_s: 2.0, share: 0.95, interval_s, seconds }));
        }
    }
    println!("{}", table(&HEADS, 1, rows));
    Ok(())
}

fn row(scene: Scene) -> [String; 10] {
    let mut model = Model::new(scene, 1);
    let found = model.run();
    let cost = cost(&model.columns(), model.load_of_one());
    [
        format!("{} × {}", scene.gateways, scene.pods),
        scene.interval_s.to_string(),
        format!("{:.1} %", 100.0 * found.error),
        format!("{:.2} %", 100.0 * found.overfull),
        format!("{:.3} %", 100.0 * found.excess),
        format!("{:.0} %", 100.0 * found.most),
        format!("{:.2} %", 100.0 * found.idle),
        cost.digest_bytes.to_string(),
        format!("{:.3}", cost.look_bytes as f64 / scene.interval_s / 1e6),
        format!("{:.0} / {:.0}", cost.write_us, cost.read_us),
    ]
}
