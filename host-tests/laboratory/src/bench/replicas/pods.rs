//! Pods that slow down: up to so many requests run at full speed, beyond that all share it. They measure how long they ran
//! more than that.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::engine::{Batching, EngineSpec, LinearCosts};
use crate::server::Servers;
use crate::server::simulated::{self, Excess, Meter, PodOptions};

/// Time of an iteration at full speed, in which each request makes a token.
const ITERATION: Duration = Duration::from_millis(10);

/// Pods under measurement.
#[derive(Debug)]
pub struct Pods {
    servers: Servers,
    meters: Vec<Meter>,
}

// === impl Pods ===

impl Pods {
    /// Starts so many, each of which sustains `fit` requests.
    ///
    /// # Errors
    /// Where no port can be bound or no thread started.
    pub fn start(count: usize, fit: u32) -> io::Result<Self> {
        let least_s = ITERATION.as_secs_f64();
        let costs = LinearCosts { least_s, per_sequence_s: least_s / f64::from(fit), ..LinearCosts::default() };
        // Neither the cache nor the batch is what holds requests up.
        let batching = Batching { token_budget: u32::MAX, max_sequences: usize::MAX };
        let spec = EngineSpec::linear(costs, 1_000_000, batching);
        let meters: Vec<_> = (0..count).map(|_| Meter::new(fit as usize)).collect();
        let pod = |meter: &Meter| PodOptions { meter: Some(meter.clone()), ..PodOptions::new(spec) };
        Ok(Self { servers: simulated::start(meters.iter().map(pod).collect())?, meters })
    }

    /// Addresses that they listen on.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.servers.addresses()
    }

    /// Returns the excess so far of what ran over what they sustain.
    pub fn excess(&self) -> Excess {
        self.meters.iter().map(Meter::excess).fold(Excess::default(), Excess::and)
    }
}

/// Tokens of an answer that takes so long at full speed.
pub(super) fn tokens(work: Duration) -> u32 {
    (work.as_secs_f64() / ITERATION.as_secs_f64()).round().max(1.0) as u32
}
