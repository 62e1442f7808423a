//! One turn of one arm.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::cpu;
use crate::gateway::Envoy;
use crate::load::closed as load;

/// The loads of a slice.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Loads {
    /// Length of the prompt in each request.
    pub prompt_bytes: usize,
    /// Requests under way at once where CPU time and throughput are measured.
    pub concurrency: usize,
    /// Length of that; a quarter of it more with one request at a time, where latency is measured.
    pub slice: Duration,
}

/// Measurements of a slice.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Slice {
    /// CPU time of Envoy, all its threads, for each request.
    pub cpu_us_per_request: f64,
    /// Requests answered.
    pub requests_per_s: f64,
    /// Envoy's CPU time for each second that passed.
    pub envoy_busy: f64,
    /// The same of the thread that sends the requests. Where this is the larger, it is what holds the loop up.
    pub load_busy: f64,
    /// Half of the requests took no longer, sent one at a time.
    pub latency_p50_us: f64,
    /// 99 of 100 took no longer, sent one at a time.
    pub latency_p99_us: f64,
}

// === impl Slice ===

impl Slice {
    /// Loads one Envoy.
    ///
    /// # Errors
    /// Where it does not answer everything with 200, or has ended.
    pub async fn measure(envoy: &Envoy, loads: Loads) -> Result<Self> {
        let pid = envoy.pid().context("Envoy has ended")?;
        let before = (cpu::of_process(pid)?, cpu::of_this_thread()?);
        let full = load::run(envoy.address(), loads.prompt_bytes, loads.concurrency, loads.slice).await?;
        let envoy_cpu = cpu::of_process(pid)?.saturating_sub(before.0);
        let load_cpu = cpu::of_this_thread()?.saturating_sub(before.1);
        let single = load::run(envoy.address(), loads.prompt_bytes, 1, loads.slice / 4).await?;
        let (requests, wall_s) = (full.latencies.len() as f64, full.wall.as_secs_f64());
        Ok(Self {
            cpu_us_per_request: micros(envoy_cpu) / requests,
            requests_per_s: requests / wall_s,
            envoy_busy: envoy_cpu.as_secs_f64() / wall_s,
            load_busy: load_cpu.as_secs_f64() / wall_s,
            latency_p50_us: micros(single.latency(0.50)),
            latency_p99_us: micros(single.latency(0.99)),
        })
    }
}

fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}
