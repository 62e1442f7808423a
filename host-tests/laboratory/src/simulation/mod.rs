//! Evaluation in virtual time: the same arrivals for every policy, over pods modelled iteration by iteration.
//!
//! - [`world`]: the discrete-event loop between arrivals, a [`gateway::Gateway`] and [`server::Server`]s.
//! - [`record`]: what became of a request.
//! - [`shipped`]: the filter's own core as a gateway: as many dispatchers as Envoy has workers, over one shared memory.
//! - [`aibrix`]: AIBrix's policies, as they are and mended.
//! - [`baseline`]: policies to compare with that the filter does not ship.
//! - [`prefix_router`]: others that know prefix caches.
//! - [`scenario`]: who arrives, what is to be kept, and which pods serve.
//! - [`belief`]: what a gateway is told of its pods.
//! - [`bound`]: what no policy can exceed.
//! - [`sweep`]: policies × rates × seeds, in parallel.
//! - [`checks`]: what is no sweep: a burst, a cold start.
//! - [`figures`], [`usage`], [`balance`], [`lateness`], [`interval`], [`goodput`]: what came of it.
//! - [`gauntlet`]: what must hold on whatever engines, clusters, workers and loads.
//! - [`report`]: as a table, as JSON and as a plot.

pub mod aibrix;
pub mod balance;
pub mod baseline;
pub mod belief;
pub mod bound;
pub mod checks;
pub mod contender;
pub mod figures;
pub mod gateway;
pub mod gauntlet;
pub mod goodput;
pub mod interval;
pub mod lateness;
pub mod prefix_router;
pub mod record;
pub mod report;
pub mod scenario;
pub mod server;
pub mod shipped;
pub mod sweep;
pub mod usage;
pub mod world;
