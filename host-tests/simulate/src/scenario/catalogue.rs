//! All scenarios.

use std::sync::Arc;

use evaluation::cluster::{GPUS, MODEL};
use evaluation::objectives::{SLO_A, SLO_B, SLO_C, SLO_E2E};
use evaluation::workload::{Class, arrivals};
use slo_router::scheduling::slo::Slo;
use slo_router_pods::engine::Gpu;

use super::{Cluster, Scenario};

/// An L20 serves 1.8 times what an A10 does within SLO A, by the rates of the profiles where chat answers lie.
const L20_WEIGHT: f64 = 1.8;

/// All of them; the first is the default.
pub fn all() -> Vec<Scenario> {
    vec![
        seed("seed-a", SLO_A, "end to end at most 50 ms per output token"),
        seed("seed-b", SLO_B, "the first token within 1 s, the others 50 ms apart in the mean"),
        seed("seed-c", SLO_C, "end to end at most 1 s and 50 ms per output token"),
        seed("seed-e2e", SLO_E2E, "end to end at most 20 s"),
    ]
}

/// Chat and text-to-SQL on one A10 and four L20: the experiment that AIBrix publishes.
fn seed(name: &'static str, slo: Slo, objective: &str) -> Scenario {
    let weighted = GPUS.map(|gpu| (gpu, if gpu == Gpu::L20 { L20_WEIGHT } else { 1.0 }));
    Scenario {
        name,
        traffic: "chat : text-to-SQL = 7 : 4".to_owned(),
        workload: Arc::new(arrivals),
        classes: Class::DEMO.to_vec(),
        objective: objective.to_owned(),
        slo: Arc::new(move |_, _| slo),
        cluster: Cluster::new(&weighted, MODEL),
        profiles: include_bytes!("../../../../profiles/demo.json"),
        profiles_p99: include_bytes!("../../profiles/seed-p99.json"),
        rates_per_s: (1..=12).map(f64::from).collect(),
    }
}
